"""Environments that are no module's: of a script, of ``python -c``, a class or a function, with every engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from lit_a3c import RolloutDataModule
from lit_a3c.utils.errors import ConfigError
from tests.commands import launch
from tests.dummy_envs.base import Identity

SCRIPT = """
import sys

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from lightning.pytorch import Trainer

from lit_a3c import A3C, RolloutDataModule


class Corridor(gymnasium.Env):
    observation_space = Discrete(5)
    action_space = Discrete(2)

    def __init__(self, steps=30):
        self.limit = steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.steps = 0
        return self.place, {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action else -1))
        self.steps += 1
        return self.place, float(self.place == 4), self.place == 4, self.steps >= self.limit, {}


class Late(gymnasium.Wrapper):
    pass


def main():
    engine = sys.argv[-1]
    data = RolloutDataModule(
        Corridor, 1600, None if engine == "hogwild" else engine, 1 if engine == "hogwild" else 2 - (engine == "serial"),
        envs_per_worker=4, eval_episodes=2, env_kwargs={"steps": 20}, wrappers=[Late, lambda env: env],
    )
    strategy = {"strategy": "hogwild"} if engine == "hogwild" else {}
    trainer = Trainer(
        max_epochs=-1, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, val_check_interval=40,
        enable_progress_bar=False, enable_model_summary=False, check_val_every_n_epoch=None, **strategy,
    )
    module = A3C(data.spaces)
    trainer.fit(module, data)
    print(module.spaces.env_id, module.finished, len(module.episodes))


if __name__ == "__main__":
    main()
"""


WAYS = [(way, engine) for engine in ("hogwild", "async", "sync", "serial") for way in ("-c", "script")]
SHORT, LONGER = [WAYS[0]], [("script", "hogwild"), ("script", "async")]
OTHERS = [way for way in WAYS if way not in SHORT + LONGER]


@pytest.mark.parametrize(
    ("way", "engine"),
    [
        *SHORT,
        *(pytest.param(*way, marks=pytest.mark.campaign) for way in LONGER),
        *(pytest.param(*way, marks=pytest.mark.exhaustive) for way in OTHERS),
    ],
)
def test_a_class_of_the_main_program_trains_with_workers(way: str, engine: str, tmp_path: Path) -> None:
    """Wrappers of the main program, too. Its evaluations are played in a process of their own."""
    (tmp_path / "script.py").write_text(SCRIPT)
    program = ["-c", SCRIPT] if way == "-c" else ["script.py"]
    done = launch(engine, cwd=tmp_path, command=[sys.executable, *program])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Corridor True 2"


def makes_identity(**kwargs: Any) -> gymnasium.Env:
    return Identity(**kwargs)


@pytest.mark.parametrize("env", [Identity, makes_identity, lambda **kwargs: Identity(**kwargs)])
def test_the_name_is_that_of_what_makes_it(env: Any) -> None:
    """A class, a function or a lambda."""
    assert RolloutDataModule(env).spaces.env_id == env.__name__


@pytest.mark.parametrize("env", [dict, lambda: "no environment"])
def test_what_makes_no_environment_is_refused(env: Any) -> None:
    with pytest.raises(ConfigError, match=r"makes an object of type (dict|str), which is no environment of Gymnasium"):
        RolloutDataModule(env)


@pytest.mark.parametrize("env", [None, 3, "", []])
def test_what_names_nothing_is_refused(env: Any) -> None:
    with pytest.raises(ConfigError, match="must name an environment"):
        RolloutDataModule(env)


@pytest.mark.parametrize("path", ["tests.dummy_envs.base:Identity", "tests.dummy_envs.base.Identity"])
def test_a_path_names_a_class(path: str) -> None:
    data = RolloutDataModule(path)
    assert data.spaces.env_id == path
    assert data.env.entry_point is Identity


@pytest.mark.parametrize("path", ["tests.dummy_envs.base:Identiti", "tests.dummy_envs.base.Identiti"])
def test_a_misspelt_class_names_the_nearest(path: str) -> None:
    with pytest.raises(ConfigError, match=r"nor in 'tests.dummy_envs.base'. Did you mean 'Identity'"):
        RolloutDataModule(path)
