"""The site: it is built without a warning, holds every public name, fetches nothing, and its course is what was run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

import lit_a3c
from tests.browser import chromium, console
from tests.commands import ROOT, environment

pytest.importorskip("mkdocs")
jupytext = pytest.importorskip("jupytext")
DOCS = ROOT / "docs"
MADE = {"all-options.md", "configs.md", "own-environment.md"}
"""Pages that ``scripts/site_pages.py`` makes."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with a proxy that nobody answers, so that what is fetched fails. A warning is an error."""
    directory = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)],
        cwd=ROOT,
        env={**environment(), **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return directory


def pages(tree: object) -> set[str]:
    """The files in the navigation."""
    if isinstance(tree, str):
        return {tree}
    return set().union(*map(pages, tree.values() if isinstance(tree, dict) else tree))


def fences(text: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_every_page_is_in_the_navigation() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert pages(config["nav"]) == {file.name for file in DOCS.glob("*.md")} | MADE


def test_every_public_name_has_an_entry(site: Path) -> None:
    """With its documentation, and so has every callback."""
    shown = set(re.findall(r'id="(lit_a3c\.[\w.]+)"', (site / "api.html").read_text()))
    assert {f"lit_a3c.{name}" for name in lit_a3c.__all__ if name != "__version__"} <= shown
    modules = {file.stem for file in (ROOT / "callbacks").glob("*.py")} - {"__init__"}
    assert modules == {name.split(".")[2] for name in shown if name.startswith("lit_a3c.callbacks.")}
    assert "The budget of a training is" in (site / "api.html").read_text()
    assert not re.search(r":\w+:<code>", (site / "api.html").read_text())


def test_the_options_and_configs_are_those_of_the_program(site: Path) -> None:
    options, configs = ((site / f"{name}.html").read_text() for name in ("all-options", "configs"))
    row = r"--data.total_steps</code> <code>INT</code></td>\s*<td><code>1000000</code></td>\s*<td>Steps \(decisions"
    assert re.search(row, options)
    assert "<code>hogwild|async|sync|serial|ray</code>" in options
    assert all(f">{file.name}<" in configs for file in (ROOT / "configs").glob("*.yaml"))


def test_nothing_is_fetched_by_who_reads_it(site: Path) -> None:
    """No script, style, font or image comes from elsewhere."""
    for page in site.glob("*.html"):
        text = page.read_text()
        tags = re.findall(r"<(?:script|img|iframe|link|source)\b[^>]*>", text)
        elsewhere = [tag for tag in tags if re.search(r"(?:src|href)=.?(?:https?:)?//", tag)]
        assert not [tag for tag in elsewhere if "canonical" not in tag], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text()), style


def test_the_pages_open_in_a_browser(site: Path, tmp_path: Path) -> None:
    """Served on this machine, with a silent console."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for page in ("index.html", "api.html", "course.html", "browser.html"):
            image = tmp_path / f"{page}.png"
            done = chromium(f"http://127.0.0.1:{server.server_port}/{page}", tmp_path, f"--screenshot={image}")
            assert not console(done), page
            assert image.stat().st_size > 20_000
        server.shutdown()


def test_the_options_that_the_pages_name_exist(site: Path) -> None:
    """Those of sections. Options of a class need the class: of those the class's option is looked up."""
    known = set(re.findall(r"--[a-z_]+(?:\.[a-z_]+)+", (site / "all-options.html").read_text()))
    for page in ("start.md", "faq.md", "coming-from.md", "course.md"):
        named = set(re.findall(r"--(?:data|model|trainer|video|progress)\.[a-z_.]+[a-z]", (DOCS / page).read_text()))
        assert not {name for name in named - known if name.rpartition(".")[0] not in known}, page


def test_the_metrics_that_the_pages_name_exist() -> None:
    defined = set(re.findall(r"`((?:train|val)/\w+)`", (DOCS / "metrics.md").read_text()))
    named = set(re.findall(r"`((?:train|val)/\w+)`", (DOCS / "faq.md").read_text() + (DOCS / "course.md").read_text()))
    assert named <= defined
    assert len(named) >= 8


def test_the_course_shows_what_was_run() -> None:
    """Its cells and the program are those of the files, and it reached the score that it is for."""
    page, notebook = (DOCS / "course.md").read_text(), jupytext.read(DOCS / "course.py")
    program = (DOCS / "tiny_a3c.py").read_text()
    code = [f"{cell.source}\n" for cell in notebook.cells if cell.cell_type == "code"]
    assert [block for block in fences(page) if block != program] == code
    assert program in fences(page)
    assert all(cell.source in page for cell in notebook.cells if cell.cell_type == "markdown")
    assert len([line for line in program.splitlines() if line.strip()]) <= 60
    assert float(re.findall(r"^mean return ([\d.]+)", page, re.MULTILINE)[0]) >= 475
    assert all((ROOT / file).is_file() for file in re.findall(r"`(lit_a3c/[\w/]+\.py)`", page))


@pytest.mark.campaign
def test_the_course_learns_cartpole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The notebook, executed anew: 150,000 steps with two lock-free workers."""
    pytest.importorskip("ipykernel")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    import course_page

    page = course_page.render(course_page.execute(DOCS / "course.py"), tmp_path)
    assert float(re.findall(r"^mean return ([\d.]+)", page, re.MULTILINE)[0]) >= 475
    assert "(1.3862943649291992, tensor([-1.,  1.]))" in page
    assert list(tmp_path.glob("course-*.png"))
