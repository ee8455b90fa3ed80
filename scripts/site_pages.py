"""What ``mkdocs build`` adds to the pages in ``docs/``: pages that are made from the code, so that they cannot be old.

- ``all-options.md``: every option, from the parsers of the commands.
- ``configs.md``: the shipped configs.
- ``own-environment.md``: the notebook ``own_environment.py``, as Markdown.

``mkdocs.yml`` names this file as a hook.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from pathlib import Path
from typing import Any

import jupytext
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from lit_a3c.cli.commands import COMMANDS, VERBS
from lit_a3c.cli.main import main

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    for name, make in {"all-options": options_page, "configs": configs_page, "own-environment": notebook_page}.items():
        files.append(File.generated(config, f"{name}.md", content=make()))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Show the name alone of a Sphinx reference in a docstring, and no backslash before a ``|`` in code."""
    html = re.sub(r"<code>[^<]*</code>", lambda found: found[0].replace("\\|", "|"), html)
    html = re.sub(r":\w+:<code>~?([\w.]+)</code>", lambda found: f"<code>{found[1].rpartition('.')[2]}</code>", html)
    return html.replace("::</p>", ":</p>")


def options_page() -> str:
    """All options of all commands."""
    parts = [
        "# All options\n\nThis page is made from the program. [Options](options.md) explains those that people need "
        "first, and [Configs](configs.md) shows what each config changes. Defaults are those without a config.\n",
        "<style>.md-typeset td:first-child code { white-space: nowrap }</style>\n",
    ]
    for command, what in COMMANDS.items():
        if command == "fit":
            parts += [f"## lit-a3c fit\n\n{what.capitalize()}. `lit-a3c fit --help-all` prints the same.\n", *_tables()]
        else:
            parts.append(f"## lit-a3c {command}\n\n```text\n{_printed(command, '--help')}\n```\n")
    for verb in VERBS:
        text = importlib.import_module(f"lit_a3c.cli.verbs.{verb}").parser().format_help().strip()
        parts.append(f"## lit-a3c {verb}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def configs_page() -> str:
    """The shipped configs as they are."""
    parts = [
        "# Configs\n\nEach config holds only what it changes. `defaults.yaml` stands below all. "
        "[Options](options.md#configs) says how a config is found and what wins.\n"
    ]
    files = sorted(CONFIGS.glob("*.yaml"), key=lambda file: (file.name != "defaults.yaml", file.name))
    parts += [f"## {file.name}\n\n```yaml\n{file.read_text().strip()}\n```\n" for file in files]
    return "\n".join(parts)


def notebook_page() -> str:
    """The notebook of an environment of one's own, without results."""
    notebook = jupytext.read(ROOT / "docs/own_environment.py")
    cells = [
        cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in notebook.cells
    ]
    return "\n\n".join([*cells, "The file is [own_environment.py](own_environment.py)."])


def _tables() -> list[str]:
    """A table for each section of the help of ``fit``."""
    parts = []
    for section in re.split(r"\n\n(?=\w+:\n)", _printed("fit", "--help-all"))[1:]:
        name, _, text = section.partition(":\n")
        about, *options = re.split(r"^ {2}(?=-)", text, flags=re.MULTILINE)
        parts.append(f"### {'Without a section' if name == 'options' else name}\n\n{_joined(about)}\n")
        parts.append("| option | default | meaning |\n|---|---|---|\n" + "\n".join(map(_row, options)) + "\n")
    return parts


def _row(option: str) -> str:
    """A row of a table: names and value up to the first wide gap or the end of the line, then the help."""
    call, _, text = re.sub(r"^(.*?)(\n| {2,})", r"\1\0", option, count=1).partition("\0")
    text, default = _joined(text), ""
    if found := re.search(r" ?\(default: (.*)\)$", text):
        text, default = text[: found.start()], f"`{found[1]}`"
    name, _, value = call.strip().rpartition("--")[2].partition(" ")
    short = call.strip().rpartition("--")[0].split(",")[0].split()[:1]
    cells = [" ".join(f"`{part}`" for part in (*short, f"--{name}", value) if part), default]
    cells.append(re.sub(r"([*_])", r"\\\1", text.replace("<", "&lt;")))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _joined(text: str) -> str:
    """Lines of a help as one. A word that was broken at its hyphen is whole again."""
    return re.sub(r"\s+", " ", re.sub(r"(?<=\w)-\n\s+", "-", text.strip()))


def _printed(*argv: str) -> str:
    """What a command prints on a wide terminal."""
    columns, printed = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = "102"
    try:
        with contextlib.redirect_stdout(printed):
            main(list(argv))
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return printed.getvalue().strip()
