"""What ``reproduce.py`` trains: recipes x environments x seeds, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MUJOCO = tuple(
    f"{name}-v5"
    for name in (
        *("Hopper", "Walker2d", "HalfCheetah", "InvertedDoublePendulum", "Reacher", "Swimmer", "InvertedPendulum"),
        *("Ant", "Humanoid"),
    )
)
WITHOUT_CONTACT = dict.fromkeys(
    ("Ant-v5", "Humanoid-v5"), ("--data.env_kwargs={include_cfrc_ext_in_observation: false}",)
)
"""Without the 78 contact forces, which the published scores' tasks showed as zeros. With them: the suite
``mujoco-contact``."""
BFLOAT16 = ("--trainer.precision=bf16-mixed",)
"""Pays where the processor computes in it, as with AMX."""
LARGE_UPDATES = ("--data.envs_per_worker=32", "--model.optimizer.lr=1.4e-3", "--trainer.val_check_interval=1500")
"""Twice the steps of the recipe's updates, and half as many: faster. The learning rate grows with the root of it."""


@dataclass(frozen=True)
class Suite:
    """What to train.

    Attributes:
        recipe: Name of a shipped recipe.
        environments: Environments by id.
        total_steps: Budget of each run in steps.
        seeds: Seeds of each environment.
        test_episodes: Episodes for which the best and the last policy are played.
        options: Further options of ``lit-a3c fit``.
        of_environment: The same for single environments, by id.
    """

    recipe: str
    environments: tuple[str, ...]
    total_steps: int
    seeds: tuple[int, ...] = (0,)
    test_episodes: int = 100
    options: tuple[str, ...] = ()
    of_environment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


MUJOCO_SUITE = Suite("mujoco", MUJOCO, 1_000_000, (0, 1, 2, 3, 4), test_episodes=20, of_environment=WITHOUT_CONTACT)
SUITES = {
    "mujoco-1m": MUJOCO_SUITE,
    "mujoco-3m": replace(MUJOCO_SUITE, total_steps=3_000_000, seeds=(0, 1, 2)),
    "mujoco-contact": replace(MUJOCO_SUITE, environments=tuple(WITHOUT_CONTACT), seeds=(0,), of_environment={}),
    "swimmer": Suite("swimmer", ("Swimmer-v5",), 1_000_000, (0, 1, 2, 3, 4), test_episodes=20),
    "pong": Suite("atari", ("ALE/Pong-v5",), 2_000_000, options=(*BFLOAT16, *LARGE_UPDATES)),
    "breakout": Suite("atari", ("ALE/Breakout-v5",), 10_000_000, options=BFLOAT16),
}
GAUSSIAN = ("--model.head=lit_a3c.GaussianHead", "--model.head.scale_to_bounds=true", "--model.head.init_log_std=-0.6")
MORE_LAG = ("--data.envs_per_worker=64", "--data.updates_per_rollout=8")
ABLATIONS = {
    "gaussian": GAUSSIAN,
    "plain-gaussian": (*GAUSSIAN, "--model.head.censored=false"),
    "anneal": ("--model.anneal=true",),
    "no-entropy": ("--model.entropy_coef=0",),
    "lambda-0.95": ("--model.gae_lambda=0.95",),
    "more-lag": MORE_LAG,
    "more-lag-no-vtrace": (*MORE_LAG, "--model.vtrace=false"),  # which has nothing to correct without lag
    "rollouts-of-5": ("--data.envs_per_worker=16", "--data.rollout_length=5"),
    "rollouts-of-40": ("--data.envs_per_worker=2", "--data.rollout_length=40"),
    "gain-1": ("--model.body.gain=1",),
    "shared-body": ("--model.share_body=true",),
    "no-return-scale": ("--model.normalize_returns=false",),
    "no-observation-scale": ("--model.body.normalize=false",),
    "eps-1e-5": ("--model.optimizer.eps=1e-5", "--model.optimizer.initial_square=0"),
}
"""What ``mujoco.yaml`` has, taken away or changed one at a time; every update is of 80 steps in all of them."""
ABLATED = ("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5")
SUITES |= {
    f"ablation-{name}": replace(MUJOCO_SUITE, environments=ABLATED, seeds=(0, 1, 2), options=options)
    for name, options in ABLATIONS.items()
}
