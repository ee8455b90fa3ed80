"""``lit-a3c report`` writes one page that holds everything and asks for nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lit_a3c.metrics.runs import Run
from tests.cli.conftest import Refused
from tests.cli.trainings import ROLLOUT, SERIAL, STEPS
from tests.commands import RUN, Lightning
from tests.metrics.run_files import write_run, write_test

HOSTILE = "\"'><script>document.title=1</script><img src=http://127.0.0.1:9/x onerror=document.title=2>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """The elements, the text and the addresses of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(file.read_text())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "poster")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def assert_asks_for_nothing(page: Page) -> None:
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not [name for name in page.attributes if name.startswith("on")]


def test_a_page_holds_what_the_run_has(trained: Path, cli: Lightning, tmp_path: Path) -> None:
    shutil.copytree(trained / RUN, tmp_path / RUN)
    write_test(tmp_path / RUN, 123.25)
    assert cli("report", "last").endswith("written to report.html\n")
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    page = Page(tmp_path / "report.html")
    assert_asks_for_nothing(page)
    assert {"svg", "video", "details"} <= page.tags
    (embedded,) = (address for address in page.addresses if address.startswith("data:video/mp4;base64,"))
    video = Run(tmp_path / RUN).video
    assert video is not None
    assert base64.b64decode(embedded.partition(",")[2]) == video.read_bytes()
    for text in (
        *("CartPole-v1, seed 0", "123.25", "122.25 to 124.25", "One seed: no interval.", "Started once"),
        f"lit-a3c fit --config cartpole.yaml --data.total_steps {STEPS}",
        f"{STEPS:,} learned + ",
        f"Differences from the shipped cartpole.yaml as this version has it: option this run cartpole.yaml "
        f"data.eval_episodes 2 20 data.test_episodes 20 100 data.total_steps {STEPS} 200000",
        "env_id: CartPole-v1",
    ):
        assert text in page.text, text


def test_several_runs_are_compared(cli: Lightning, tmp_path: Path) -> None:
    for i in range(2):
        write_test(write_run(tmp_path / f"a/{i}", seed=i), 10.0 + i)
    write_run(tmp_path / "b/0", gamma=0.9)
    cli("report", "mine=a", "b", "--title", "Two configs", "--output", "r.html")
    page = Page(tmp_path / "r.html")
    assert_asks_for_nothing(page)
    assert "Two configs" in page.text
    assert "CartPole-v1 mine 2 10.50 0.71 10.00 to 11.00" in page.text
    assert "0 not tested" in page.text
    assert [address for address in page.addresses if address.startswith("#run")] == ["#run0", "#run1", "#run2"]


def hostile_run(directory: Path) -> None:
    """A run whose every text is markup, and whose video is a link to a file of the reader's."""
    run = directory / HOSTILE.replace("/", "") / "v"
    write_run(run, env_id=HOSTILE, **{HOSTILE: HOSTILE})
    score = {"env_id": HOSTILE, "mean": 1.0, "ci95": [HOSTILE, HOSTILE], "episodes": HOSTILE, "sd": HOSTILE}
    (run / f"test-{HOSTILE.replace('/', '')}.json").write_text(json.dumps(score))
    start = {"time": HOSTILE, "command": [HOSTILE], "step": HOSTILE, "machine": {HOSTILE: HOSTILE}, "versions": 3}
    (run / "starts.jsonl").write_text(json.dumps(start) + "\n")
    secret = directory / "secret"
    secret.write_bytes(b"0000ftyp secret")
    (run / "videos").mkdir()
    (run / "videos/video.mp4").symlink_to(secret)


def test_markup_of_a_stranger_is_text(cli: Lightning, tmp_path: Path) -> None:
    hostile_run(tmp_path)
    write_run(tmp_path / "other/v")
    cli("report", ".", "--output", "r.html", "--title", HOSTILE)
    page = Page(tmp_path / "r.html")
    assert_asks_for_nothing(page)
    assert HOSTILE in page.text
    assert "video" not in page.tags
    assert base64.b64encode(b"0000ftyp secret").decode() not in (tmp_path / "r.html").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_page_without_an_error(trained: Path, cli: Lightning, tmp_path: Path) -> None:
    """Also where a run tries to put a script into it."""
    hostile_run(tmp_path / "hostile")
    cli("report", str(trained / RUN), "hostile", "--output", "r.html", "--title", "The page")
    quiet = ("quic", "background-networking", "component-update", "sync", "gpu")
    options = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    options += [f"--user-data-dir={tmp_path / 'browser'}", "--enable-logging=stderr", "--v=0", "--dump-dom"]
    page = (tmp_path / "r.html").as_uri()
    done = subprocess.run([str(CHROMIUM), *options, page], capture_output=True, text=True, timeout=120, check=True)
    assert "<title>The page</title>" in done.stdout
    assert "</details>" in done.stdout
    assert not re.findall(r".*CONSOLE.*", done.stderr)


def test_a_continued_run_has_both_commands(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, "--trainer.max_steps", "10")
    cli("fit", "--ckpt_path", "last", "--trainer.max_steps", "20")
    starts = Run(tmp_path / RUN).starts
    assert [start["step"] for start in starts] == [0, 10 * ROLLOUT]
    assert starts[1]["command"] == ["fit", "--ckpt_path", "last", "--trainer.max_steps", "20"]
    cli("report", "last")
    text = Page(tmp_path / "report.html").text
    assert "Started 2 times." in text
    assert "lit-a3c fit --ckpt_path last --trainer.max_steps 20" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["runs/0", "--output", "r.pdf"], "--output 'r.pdf' must end in .html or .htm."),
        (["runs/0", "--output", "there.html"], "--output 'there.html' is there already."),
        (["runs/1"], "the run 'runs/1' has no metrics"),
        (["no"], "the run 'no' does not exist."),
    ],
)
def test_what_cannot_be_reported_is_refused(options: list[str], says: str, refused: Refused) -> None:
    write_run(Path("runs/0"))
    (write_run(Path("runs/1")) / "metrics.csv").write_text("")
    Path("there.html").write_text("mine")
    assert says in refused("report", *options)
    assert Path("there.html").read_text() == "mine"
