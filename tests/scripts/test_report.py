"""Tables and curves show the numbers of the rows."""

import csv
from pathlib import Path

import pytest

from tests.commands import launch, script

FIELDS = ("environment", "seed", "evaluation", "steps", "frames", "seconds", "mean")


def write(file: Path, best: dict[tuple[str, int], float]) -> None:
    """A run for each score: two validations, the best checkpoint, and a last policy of half its return."""
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, FIELDS)
        writer.writeheader()
        for (environment, seed), score in best.items():
            evaluations = (
                ("validation", 10, 0.0),
                ("validation", 20, score),
                ("best", 20, score),
                ("last", 20, score / 2),
            )
            for evaluation, steps, mean in evaluations:
                values = (environment, seed, evaluation, steps, 4 * steps, steps / 10, mean)
                writer.writerow(dict(zip(FIELDS, values, strict=True)))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    file = tmp_path / "suite.csv"
    write(file, {("Hopper-v5", 0): 100.0, ("Hopper-v5", 1): 300.0, ("Ant-v5", 0): 7.0})
    return file


def report(*args: str, cwd: Path) -> list[str]:
    done = launch(*args, cwd=cwd, command=script("report.py"))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_table_has_mean_deviation_interval_and_published_score(results: Path, tmp_path: Path) -> None:
    reference = tmp_path / "published.csv"
    reference.write_text("# scores\nenv,paper\nHopper,250\n")
    lines = report(str(results), "--reference", str(reference), "--columns", "paper", "--curves", "c.png", cwd=tmp_path)
    assert "| Ant-v5 | 1 | 7.0 | 0.0 | 7.0 to 7.0 | 3.5 | 2 | - |" in lines
    assert "| Hopper-v5 | 2 | 200.0 | 141.4 | 100.0 to 300.0 | 100.0 | 2 | 250 |" in lines
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_ablations_stand_beside_the_same_seeds_of_the_config(results: Path, tmp_path: Path) -> None:
    write(tmp_path / "ablation-without.csv", {("Hopper-v5", 0): 40.0})
    lines = report(str(results), "--ablations", str(tmp_path / "ablation-without.csv"), cwd=tmp_path)
    assert lines[0] == "| | Hopper-v5 |"
    assert lines[2:] == ["| the config | 100 ± 0 (1) |", "| without | 40 ± 0 (1) |"]
