"""The notebook of the documentation, executed: a class of its own, trained with worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


@pytest.mark.campaign
def test_the_notebook_trains_shows_a_video_and_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines, both with workers that know the class of the notebook. The return is at most 1."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = jupytext.read(ROOT / "docs/own_environment.py")
    folder = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3", resources=folder).execute()
    results = [result for cell in notebook.cells if (result := shown(cell)) is not None]
    first, (steps, second), video, (total, _) = map(plain, results)
    assert steps >= 60_000
    assert min(first, second) > 0.8
    assert "data:video/mp4;base64" in video
    assert total == 1


def shown(cell: Any) -> Any:
    """What a cell shows as its result, if it does."""
    outputs = [output for output in cell.get("outputs", ()) if output.output_type == "execute_result"]
    return outputs[0].data if outputs else None


def plain(result: Any) -> Any:
    return result["text/html"] if "text/html" in result else eval(result["text/plain"])
