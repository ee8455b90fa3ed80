r"""Stable-Baselines3's A2C with its zoo's hyperparameters, scored as ``reproduce.py`` scores lit-a3c.

    python scripts/sb3.py halfcheetah --seeds 0 1 2
    python scripts/sb3.py pong
    python scripts/report.py docs/results/beta-1m.csv --beside docs/results/sb3-halfcheetah.csv \
        --environments HalfCheetah-v5 --curves docs/halfcheetah-sb3.png --axis seconds

Writes ``docs/results/sb3-TASK.csv``, a row for each evaluation. A seed that has rows there is not trained again. For
MuJoCo the zoo uses one environment, ``VecNormalize`` and the defaults of the class. For Atari it uses 16 environments
and TensorFlow's RMSprop.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from baselines import NO_SKIP
from reproduce import ROOT
from stable_baselines3 import A2C, __version__
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize, sync_envs_normalization

from lit_a3c.experiments.results import append, finished


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        environment: Its id in lit-a3c.
        total_steps: Budget in steps.
        interval: Steps between two evaluations.
        frame_skip: Frames in one step.
        deterministic: Whether evaluations play the most likely action.
    """

    environment: str
    total_steps: int
    interval: int
    frame_skip: int = 1
    deterministic: bool = True


TASKS = {
    "halfcheetah": Task("HalfCheetah-v5", 1_000_000, 50_000),
    "pong": Task("ALE/Pong-v5", 2_000_000, 100_000, frame_skip=4, deterministic=False),
}
EPISODES = 10


def make(task: Task, seed: int, *, training: bool) -> Any:
    """The environments as the zoo makes them. Those for evaluation have raw rewards and whole episodes."""
    if task.environment in NO_SKIP:
        wrapper = None if training else {"terminal_on_life_loss": False, "clip_reward": False}
        name = NO_SKIP[task.environment]
        return VecFrameStack(make_atari_env(name, 16 if training else EPISODES, seed=seed, wrapper_kwargs=wrapper), 4)
    env = make_vec_env(task.environment, 1 if training else EPISODES, seed=seed)
    return VecNormalize(env, training=training, norm_reward=training)


class Score(BaseCallback):
    """Evaluates the policy every so many steps."""

    def __init__(self, task: Task, env: Any) -> None:
        super().__init__()
        self.task, self.env, self.rows = task, env, []  # type: ignore[var-annotated]
        self.start = time.monotonic()

    def _on_step(self) -> bool:
        if self.num_timesteps // self.task.interval > len(self.rows):
            self.score("validation")
        return True

    def score(self, evaluation: str, episodes: int = EPISODES) -> None:
        """Evaluate the present policy, and keep the result as a row."""
        if isinstance(self.env, VecNormalize):
            sync_envs_normalization(self.training_env, self.env)
        deterministic = self.task.deterministic
        returns, _ = evaluate_policy(
            self.model, self.env, episodes, deterministic=deterministic, return_episode_rewards=True
        )
        self.rows.append(
            {
                "evaluation": evaluation,
                "steps": self.num_timesteps,
                "frames": self.num_timesteps * self.task.frame_skip,
                "seconds": time.monotonic() - self.start,
                "mean": float(np.mean(returns)),
                "sd": float(np.std(returns, ddof=1)),
                "episodes": episodes,
            }
        )


def train(task: Task, seed: int) -> list[dict[str, Any]]:
    """The evaluations during a training, and that of its last policy."""
    options: dict[str, Any] = {}
    if task.environment in NO_SKIP:
        options = {"ent_coef": 0.01, "vf_coef": 0.25}
        options["policy_kwargs"] = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"eps": 1e-5}}
    policy = "CnnPolicy" if task.environment in NO_SKIP else "MlpPolicy"
    model = A2C(policy, make(task, seed, training=True), seed=seed, device="cpu", **options)
    score = Score(task, make(task, seed + 10_000, training=False))
    model.learn(task.total_steps, callback=score)
    score.env.seed(seed + 20_000)
    score.score("last", 20)
    return score.rows


def main() -> int:
    """Train the seeds that are missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results", help="directory of the CSV files")
    arguments = parser.parse_args()
    task, output = TASKS[arguments.task], arguments.output / f"sb3-{arguments.task}.csv"
    output.parent.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        if any((cell.environment, cell.seed) == (task.environment, seed) for cell in finished(output)):
            continue
        rows = train(task, seed)
        common = {
            "experiment": f"sb3-{arguments.task}",
            "config": "zoo",
            "environment": task.environment,
            "seed": seed,
            "engine": "stable-baselines3",
            "versions": f"stable-baselines3-{__version__}",
        }
        append(output, [common | row for row in rows])
        print(f"seed {seed}: {rows[-1]['mean']:.1f} after {rows[-1]['seconds']:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
