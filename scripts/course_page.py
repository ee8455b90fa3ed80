"""Run the course, a notebook, and write what it shows as a page: ``python scripts/course_page.py``.

It executes ``docs/course.py`` in ``docs/``, and writes ``docs/course.md`` and the images ``docs/course-<n>.png``. The
page can be read in the repository, and the site needs no training to be built. It needs the extra ``dev``.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import jupytext
import nbclient

DOCS = Path(__file__).parents[1] / "docs"
TIMEOUT_SECONDS = 900


def main() -> None:
    """Write the page."""
    (DOCS / "course.md").write_text(render(execute(DOCS / "course.py"), DOCS))
    print(f"written to {DOCS / 'course.md'}")


def execute(file: Path) -> Any:
    """The notebook with its results, run in its own directory."""
    path = [str(DOCS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {"PYTHONPATH": os.pathsep.join(path), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    notebook = jupytext.read(file)
    folder = {"metadata": {"path": str(file.parent)}}
    nbclient.NotebookClient(notebook, timeout=TIMEOUT_SECONDS, kernel_name="python3", resources=folder).execute()
    return notebook


def render(notebook: Any, images: Path) -> str:
    """The cells and their results as Markdown; images go to files in a directory."""
    parts = ["<!-- Written by scripts/course_page.py from course.py. -->"]
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [_shown(output, images / f"course-{number}.png") for output in cell.get("outputs", ())]
    return "\n\n".join(filter(None, parts)) + "\n"


def _shown(output: Any, image: Path) -> str:
    """One result of a cell; empty for warnings."""
    if output.output_type == "stream":
        return "" if output.name == "stderr" else f"```text\n{output.text.strip()}\n```"
    data = output.data
    if "image/png" in data:
        image.write_bytes(base64.b64decode(data["image/png"]))
        return f"![The result of the cell above]({image.name})"
    if "text/markdown" in data:
        return str(data["text/markdown"])
    return f"```text\n{data['text/plain']}\n```"


if __name__ == "__main__":
    main()
