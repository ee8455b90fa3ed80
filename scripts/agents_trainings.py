"""How ``agents.py`` trains each of the agents that come with the package, by name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from experiments import WITHOUT_CONTACT


@dataclass(frozen=True)
class Training:
    """How an agent is trained.

    Attributes:
        config: Name of a shipped config.
        env_id: The environment.
        total_steps: Budget of each run in steps.
        options: Further options of ``lit-a3c fit``.
    """

    config: str
    env_id: str
    total_steps: int
    options: tuple[str, ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The options of ``lit-a3c fit`` beside the config and the environment."""
        return (f"--data.total_steps={self.total_steps}", *self.options)

    def command(self, seed: int, num_workers: int) -> str:
        """What a user types to train such an agent.

        Args:
            seed: The seed.
            num_workers: Its worker processes.
        """
        words = [f"--config={self.config}.yaml", f"--data.env_id={self.env_id}", *self.given]
        return shlex.join(["lit-a3c", "fit", *words, f"--seed_everything={seed}", f"--num_workers={num_workers}"])


def _mujoco(name: str, total_steps: int, *options: str, config: str = "mujoco") -> Training:
    return Training(config, f"{name}-v5", total_steps, (*options, *WITHOUT_CONTACT.get(f"{name}-v5", ())))


LARGE_UPDATES = ("--data.envs_per_worker=32", "--model.optimizer.lr=1.4e-3", "--trainer.val_check_interval=1500")
"""Those of the fastest Pong in ``docs/figures.md``."""
LONG_ROLLOUTS = (
    *("--engine=hogwild", "--data.envs_per_worker=8", "--data.rollout_length=16"),
    *("--model.gae_lambda=0.98", "--model.share_body=false", "--trainer.val_check_interval=400"),
)
"""MountainCar-v0 pays -1 a step and nothing else: what a state is worth must reach the states far before it."""
SHORT_HORIZON = ("--model.gamma=0.9", "--model.optimizer.lr=1e-3", "--trainer.val_check_interval=1000")
"""Torques that pump the pendulum pay within a second. ``pendulum.yaml`` needs ten times the steps."""
_ALL = (
    Training("cartpole", "CartPole-v1", 200_000),
    Training("cartpole", "Acrobot-v1", 500_000, ("--engine=hogwild",)),
    Training("cartpole", "MountainCar-v0", 1_000_000, LONG_ROLLOUTS),
    Training("mountain_car_continuous", "MountainCarContinuous-v0", 400_000),
    Training("mujoco", "Pendulum-v1", 300_000, SHORT_HORIZON),
    _mujoco("InvertedPendulum", 300_000, config="inverted_pendulum"),
    _mujoco("InvertedDoublePendulum", 1_000_000),
    _mujoco("Swimmer", 2_000_000, config="swimmer"),
    _mujoco("HalfCheetah", 1_000_000),
    _mujoco("Hopper", 1_000_000),
    _mujoco("Reacher", 1_000_000),
    _mujoco("Pusher", 1_000_000),
    _mujoco("Walker2d", 1_000_000),
    _mujoco("Ant", 1_000_000),
    _mujoco("HumanoidStandup", 1_000_000),
    _mujoco("Humanoid", 1_000_000),
    Training("atari", "ALE/Pong-v5", 2_000_000, LARGE_UPDATES),
    Training("atari", "ALE/Breakout-v5", 1_500_000, LARGE_UPDATES),
)
TRAININGS: Mapping[str, Training] = {training.env_id.split("/")[-1]: training for training in _ALL}
"""The quick ones first."""
