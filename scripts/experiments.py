"""What ``reproduce.py`` trains: configs x environments x seeds, by name."""

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
    ("Ant-v5", "Humanoid-v5", "HumanoidStandup-v5"), ("--data.env_kwargs={include_cfrc_ext_in_observation: false}",)
)
"""Without the 78 contact forces, which were zeros in the tasks of the published scores. The experiment
``beta-contact`` has them."""
BFLOAT16 = ("--trainer.precision=bf16-mixed",)
"""Faster where the processor computes in bfloat16 itself, as with AMX."""
LARGE_UPDATES = ("--data.envs_per_worker=32", "--model.optimizer.lr=1.4e-3", "--trainer.val_check_interval=1500")
"""Half as many updates, each of twice the steps: faster. The learning rate grows with the square root of the steps."""


@dataclass(frozen=True)
class Experiment:
    """What to train.

    Attributes:
        config: Name of a shipped config.
        environments: Environments by id.
        total_steps: Budget of each run in steps.
        seeds: Seeds of each environment.
        test_episodes: Episodes that the best and the last policy are scored by.
        options: Further options of ``lit-a3c fit``.
        of_environment: Further options for single environments, by id.
    """

    config: str
    environments: tuple[str, ...]
    total_steps: int
    seeds: tuple[int, ...] = (0,)
    test_episodes: int = 100
    options: tuple[str, ...] = ()
    of_environment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


MUJOCO_1M = Experiment(
    "mujoco", (*MUJOCO, "Pusher-v5", "HumanoidStandup-v5"), 1_000_000, (0, 1, 2, 3, 4), of_environment=WITHOUT_CONTACT
)
BETA_1M = replace(MUJOCO_1M, config="mujoco_beta", environments=MUJOCO, test_episodes=20)
EXPERIMENTS = {
    "mujoco-1m": MUJOCO_1M,
    "mujoco-3m": replace(MUJOCO_1M, total_steps=3_000_000, seeds=(0, 1, 2)),
    "beta-1m": BETA_1M,
    "beta-3m": replace(BETA_1M, total_steps=3_000_000, seeds=(0, 1, 2)),
    "beta-contact": replace(BETA_1M, environments=("Ant-v5", "Humanoid-v5"), seeds=(0,), of_environment={}),
    "swimmer": Experiment("swimmer", ("Swimmer-v5",), 1_000_000, (0, 1, 2, 3, 4), test_episodes=20),
    "pong": Experiment("atari", ("ALE/Pong-v5",), 2_000_000, options=(*BFLOAT16, *LARGE_UPDATES)),
    "breakout": Experiment("atari", ("ALE/Breakout-v5",), 10_000_000, options=BFLOAT16),
}
GAUSSIAN = ("--model.head=lit_a3c.GaussianHead", "--model.head.scale_to_bounds=true", "--model.head.init_log_std=-0.6")
MORE_LAG = ("--data.envs_per_worker=64", "--data.num_minibatches=8")
ABLATIONS = {
    "gaussian": GAUSSIAN,
    "plain-gaussian": (*GAUSSIAN, "--model.head.censored=false"),
    "anneal": ("--model.anneal_lr=true",),
    "no-entropy": ("--model.entropy_coef=0",),
    "lambda-0.95": ("--model.gae_lambda=0.95",),
    "more-lag": MORE_LAG,
    "more-lag-no-vtrace": (*MORE_LAG, "--model.vtrace=false"),  # V-trace has nothing to correct without lag
    "rollouts-of-5": ("--data.envs_per_worker=16", "--data.rollout_length=5"),
    "rollouts-of-40": ("--data.envs_per_worker=2", "--data.rollout_length=40"),
    "gain-1": ("--model.body.gain=1",),
    "shared-body": ("--model.share_body=true",),
    "no-return-scale": ("--model.normalize_returns=false",),
    "no-observation-scale": ("--model.body.normalize=false",),
    "eps-1e-5": ("--model.optimizer.eps=1e-5", "--model.optimizer.initial_accumulator_value=0"),
}
"""Parts of ``mujoco_beta.yaml``, each taken away or changed alone. Every update is of 80 steps in all of them."""
ABLATED = ("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5")
EXPERIMENTS |= {
    f"ablation-{name}": replace(BETA_1M, environments=ABLATED, seeds=(0, 1, 2), options=options)
    for name, options in ABLATIONS.items()
}
TRIED = {
    "config": (),
    "minibatches-of-256": ("--data.num_minibatches=4", "--trainer.val_check_interval=2500"),
    "five-passes": ("--data.num_passes=5", "--trainer.val_check_interval=5000"),
    "temperatures": ("--data.temperature_spread=1.5",),
    "no-bound": ("--model.clip_ratio=null",),
    "raw-advantages": ("--model.normalize_advantage=false", "--model.entropy_coef=0.001"),
    "renewed-returns": ("--data.renew_returns=true",),
    "renewed-returns-entropy": ("--data.renew_returns=true", "--model.entropy_coef=0.01"),
    "renewed-returns-raw": (
        "--data.renew_returns=true",
        "--model.normalize_advantage=false",
        "--model.entropy_coef=0.001",
    ),
    "no-return-scale": ("--model.normalize_returns=false",),
    "lambda-0.9": ("--model.gae_lambda=0.9",),
    "entropy": ("--model.entropy_coef=0.002",),
    "sigma-1": ("--model.head.init_log_std=0",),
    "beta": ("--model.head=lit_a3c.BetaHead",),
    "lr-1e-3": ("--model.optimizer.lr=1e-3",),
}
"""Parts of ``mujoco.yaml``, each changed alone, on the tasks and seeds that it was chosen by."""
EXPERIMENTS |= {
    f"tried-{name}": replace(
        MUJOCO_1M,
        environments=ABLATED,
        total_steps=300_000,
        seeds=(10, 11),
        test_episodes=20,
        options=options,
        of_environment={},
    )
    for name, options in TRIED.items()
}
