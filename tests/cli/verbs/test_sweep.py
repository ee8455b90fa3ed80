"""What ``sweep`` and ``tune`` refuse, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_a3c.cli.verbs.with_fit_options import seeds, workers_of
from tests.cli.conftest import Refused


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("sweep", "sweep: the following arguments are required: CONFIG."),
        ("sweep cartpol.yaml", "--config 'cartpol.yaml' is neither a file nor a shipped config"),
        ("sweep cartpole.yaml --seeds one", "--seeds 'one' must be seeds, whole numbers such as 0 1 2, or a range"),
        ("sweep cartpole.yaml --seeds 4..0", "--seeds '4..0' must be seeds"),
        ("sweep cartpole.yaml --seeds 0..3 2", "--seeds has the seed 2 twice."),
        ("sweep cartpole.yaml --parallel 0", "argument --parallel: '0' must be a whole number of at least 1."),
        ("sweep cartpole.yaml --sedes 0", "has an option '--sedes'. Did you mean '--seeds'?"),
        (
            "sweep cartpole.yaml --data.totl_steps 9",
            "there is no option '--data.totl_steps'. Did you mean '--data.total",
        ),
        ("sweep cartpole.yaml --model.gamma 2", "model.gamma 2.0 must be a number at least 0 and at most 1."),
        ("sweep cartpole.yaml --seed_everything 1", "lit-a3c sweep takes no --seed_everything. Use --seeds."),
        ("sweep cartpole.yaml --ckpt_path last", "lit-a3c sweep takes no --ckpt_path. Runs go on by themselves"),
        ("sweep cartpole.yaml --env_ids CartPole-v1 CartPol-v1", "Did you mean 'CartPole-v1'?"),
        ("sweep cartpole.yaml --engines asyn", "engine 'asyn' must be one of hogwild, async, sync, serial, ray."),
        (
            "sweep cartpole.yaml --env_ids CartPole-v1 CartPole-v1",
            "CartPole-v1 with the engine async is asked for twice",
        ),
        ("sweep cartpole.yaml --directory space.yaml", "--directory 'space.yaml' is no directory."),
        ("sweep cartpole.yaml --output space.yaml --seeds 0", "'space.yaml' is no table of a sweep"),
        ("tune cartpole.yaml", "tune: the following arguments are required: --space."),
        ("tune cartpole.yaml --space none.yaml", "--space 'none.yaml' cannot be read: No such file or directory."),
        (
            "tune cartpole.yaml --space space.yaml",
            "--space: there is no option '--model.gama'. Did you",
        ),
        ("tune cartpole.yaml --space high.yaml", "--space: model.gamma 2.0 must be a number at least 0"),
        ("tune cartpole.yaml --space high.yaml --model.gamma 1", "--space: model.gamma is also given as an option"),
        ("tune cartpole.yaml --space budget.yaml", "--space: data.total_steps cannot be searched"),
        ("tune cartpole.yaml --space high.yaml --trials none", "--trials: 'none' must be a whole number"),
        ("tune cartpole.yaml --space high.yaml --fresh_seeds -1", "--fresh_seeds -1 must be at least 0"),
    ],
)
def test_one_line_before_anything_starts(refused: Refused, tmp_path: Path, options: str, says: str) -> None:
    (tmp_path / "space.yaml").write_text("model.gama: {low: 0.9, high: 0.99}\nmodel.gae_lambda: {low: 0.9, high: 1}\n")
    (tmp_path / "high.yaml").write_text("model.gamma: {low: 0.9, high: 2}\n")
    (tmp_path / "budget.yaml").write_text("data.total_steps: {low: 1000, high: 2000, int: true}\n")
    assert says in refused(*options.split())
    assert not (tmp_path / "runs").exists()


def test_seeds_are_single_ones_and_ranges() -> None:
    assert seeds(["0..2", "7"], "--seeds") == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("config", "at_once", "expected"),
    [
        ({"engine": "serial", "num_workers": "auto"}, None, (1, 8)),
        ({"engine": "serial", "num_workers": "auto"}, 3, (1, 3)),
        ({"engine": "async", "num_workers": 3}, None, (3, 2)),
        ({"engine": "async", "num_workers": 30}, None, (30, 1)),
    ],
)
def test_runs_share_the_cores(config: dict[str, object], at_once: int | None, expected: tuple[int, int]) -> None:
    assert workers_of(config, 8, at_once) == expected
