"""Environments of other packages, from the command line, with every engine. What is not installed is skipped."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands import LAUNCH, environment, read

MUJOCO3 = Path(sys.prefix) / "mujoco3"
"""An older MuJoCo, put there by ``scripts/setup.sh dev``: some packages do not work with the present one yet."""
IMAGE = ["--data.wrappers+", "minigrid.wrappers.ImgObsWrapper", "--model.body", "lit_a3c.SmallImageBody"]
NO_WORDS = ["--data.wrappers+", "{class_path: FilterObservation, init_args: {filter_keys: [direction, image]}}"]
SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.val_check_interval", "10", "--video.every_n_steps", "-1"),
    *("--data.total_steps", "1000", "--data.envs_per_worker", "4", "--data.rollout_length", "10"),
    *("--data.eval_episodes", "1", "--data.test_episodes", "2", "--data.max_eval_steps", "50"),
]


class Case(NamedTuple):
    """An environment of another package."""

    package: str
    config: str
    options: list[str]
    mujoco3: bool = False


CASES = {
    "MiniGrid": Case("minigrid", "cartpole.yaml", ["--data.env_id", "minigrid:MiniGrid-Empty-8x8-v0", *IMAGE]),
    "MiniGrid, a Dict": Case(
        "minigrid", "mujoco.yaml", ["--data.env_id", "minigrid:MiniGrid-DoorKey-5x5-v0", *NO_WORDS]
    ),
    "Fetch": Case("gymnasium_robotics", "mujoco.yaml", ["--data.env_id", "gymnasium_robotics:FetchReach-v4"], True),
    "dm_control": Case("shimmy", "mujoco.yaml", ["--data.env_id", "shimmy:dm_control/cartpole-swingup-v0"], True),
    "Lander": Case("Box2D", "cartpole.yaml", ["--data.env_id", "LunarLander-v3"]),
    "Lander, continuous": Case(
        "Box2D", "mujoco.yaml", ["--data.env_id", "LunarLander-v3", "--data.env_kwargs", "{continuous: true}"]
    ),
    "Walker": Case("Box2D", "mujoco.yaml", ["--data.env_id", "BipedalWalker-v3"]),
    "Car": Case("Box2D", "atari.yaml", ["--data.env_id", "CarRacing-v3"]),
}
ENGINES = ["hogwild", "async", "sync", "serial"]
LONGER = {
    *(("MiniGrid", "hogwild"), ("Fetch", "sync"), ("Lander", "serial"), ("dm_control", "async")),
}
"""With the campaigns. All other pairs run with ``scripts/test.sh --all``."""
ALL = [
    *((name, engine) for name in ("MiniGrid", "Fetch", "dm_control", "Lander") for engine in ENGINES),
    *(("MiniGrid, a Dict", "async"), ("Lander, continuous", "hogwild"), ("Walker", "sync"), ("Car", "hogwild")),
]


@pytest.mark.parametrize(
    ("name", "engine"),
    [pytest.param(*case, marks=pytest.mark.campaign if case in LONGER else pytest.mark.exhaustive) for case in ALL],
)
def test_a_training_is_scored(name: str, engine: str, tmp_path: Path) -> None:
    """Two commands of a user: the training, and the score, for which the file must be trusted with its package."""
    case = CASES[name]
    if importlib.util.find_spec(case.package) is None or (case.mujoco3 and not MUJOCO3.exists()):
        pytest.skip(f"{case.package} is not installed")
    workers = "1" if engine == "serial" else "2"
    run(
        tmp_path,
        case,
        "fit",
        "--config",
        case.config,
        *SMALL,
        *case.options,
        "--engine",
        engine,
        "--num_workers",
        workers,
    )
    [last] = tmp_path.glob("runs/*/version_0/checkpoints/last.ckpt")
    assert read(last)["steps"] >= 1000
    if engine == "serial":
        run(tmp_path, case, "test", "--ckpt_path", str(last.parent.parent), "--trust_checkpoint")
        assert json.loads((last.parent.parent / "test-best.json").read_text())["episodes"] == 2


def run(directory: Path, case: Case, *args: str) -> None:
    variables = environment() | {"MUJOCO_GL": "egl"}
    if case.mujoco3:
        variables["PYTHONPATH"] = f"{MUJOCO3}:{variables['PYTHONPATH']}"
    done = subprocess.run([*LAUNCH, *args], cwd=directory, env=variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
