"""What ``benchmark.py`` measures beside lit-a3c, each in a process of its own: Stable-Baselines3, and the bare costs.

``benchmark.py`` calls it so. The last line of the output is a JSON number or object::

    python scripts/baselines.py sb3 ALE/Pong-v5 --vector DummyVecEnv --threads 1 --num-envs 16 --warm-up 5 --seconds 20
    python scripts/baselines.py bare ALE/Pong-v5 --num-envs 16 --rollout-length 5 --seconds 20
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable

import numpy as np
import torch

NO_SKIP = {"ALE/Pong-v5": "ale_py:PongNoFrameskip-v4"}
"""The same game without ALE's own frame skip and sticky actions: SB3's wrappers skip the frames."""


def sb3_steps_per_second(
    env_id: str, num_envs: int, rollout_length: int, vector: str, threads: int, warm_up: float, seconds: float
) -> float:
    """Steps per second of Stable-Baselines3's A2C with its default network, without logger and progress bar.

    Args:
        env_id: Pong gets SB3's own Atari wrappers (frame skip 4, 84 x 84, stack of 4) and ``CnnPolicy``, any other
            ``MlpPolicy``.
        num_envs: Environments.
        rollout_length: Steps between two updates.
        vector: ``DummyVecEnv`` (in this process) or ``SubprocVecEnv`` (a process for each environment).
        threads: Torch threads; 0 leaves torch's default.
        warm_up: Seconds of training before the measurement.
        seconds: Length of the measurement.
    """
    from stable_baselines3 import A2C
    from stable_baselines3.common import vec_env
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env, make_vec_env

    class Measurement(BaseCallback):
        """Measures after the warm-up, and then ends the training."""

        begin, steps_before, rate = 0.0, 0, 0.0

        def _on_training_start(self) -> None:
            self.start = time.monotonic()

        def _on_step(self) -> bool:
            now = time.monotonic()
            if not self.begin:
                if now - self.start >= warm_up:
                    self.begin, self.steps_before = now, self.num_timesteps
                return True
            self.rate = (self.num_timesteps - self.steps_before) / (now - self.begin)
            return now - self.begin < seconds

    if threads:
        torch.set_num_threads(threads)
    vector_class = getattr(vec_env, vector)
    # As in lit-a3c, one process imports the libraries and every worker is forked from it. Then SB3's sixteen workers
    # start within seconds.
    multiprocessing.set_forkserver_preload(["stable_baselines3.common.env_util"])
    if env_id in NO_SKIP:
        env = vec_env.VecFrameStack(make_atari_env(NO_SKIP[env_id], num_envs, seed=0, vec_env_cls=vector_class), 4)
    else:
        env = make_vec_env(env_id, num_envs, seed=0, vec_env_cls=vector_class)
    model = A2C("CnnPolicy" if env_id in NO_SKIP else "MlpPolicy", env, n_steps=rollout_length, seed=0, device="cpu")
    measurement = Measurement()
    model.learn(10**9, callback=measurement)
    env.close()
    return measurement.rate


def bare_costs(
    env_id: str,
    num_envs: int,
    rollout_length: int,
    num_minibatches: int,
    separate: bool,
    head: str | None,
    seconds: float,
) -> dict[str, float]:
    """Microseconds per step of the three things that every step must pay for, on one core with one thread.

    The fourth number, ``checks``, is the cost of lit-a3c's own checks for numbers that are not finite.

    Args:
        env_id: The environment. The body is the default one of its observations.
        num_envs: Environments ``E`` that are stepped at once, and observations that are acted on at once.
        rollout_length: ``T``.
        num_minibatches: The learner's batch is ``E * T`` divided by this.
        separate: Whether policy and value have a network each.
        head: Name of an action head of ``lit_a3c``. Default: by the action space.
        seconds: Length of all measurements together.
    """
    import lit_a3c
    from lit_a3c.networks.heads import default_head

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = lit_a3c.EnvConfig(env_id)
    spaces = config.spaces()
    env = config.make(num_envs, seed=0, training=True).gym  # without TorchRL around them
    make_head = getattr(lit_a3c, head) if head else default_head
    policy = lit_a3c.ActorCritic(spaces, head=make_head, share_body=not separate)

    first = torch.as_tensor(env.reset(seed=0)[0])
    batch = first[: max(1, num_envs // num_minibatches)]
    observation = batch.expand(rollout_length, *batch.shape).clone()  # [T, B, ...]
    actions = [np.stack([spaces.action_space.sample() for _ in range(num_envs)]) for _ in range(100)]
    turn = iter(range(10**12))

    def environment() -> None:
        _, _, terminated, truncated, _ = env.step(actions[next(turn) % len(actions)])
        if (done := terminated | truncated).any():
            env.reset(options={"reset_mask": done})

    return {
        "environment": _microseconds(environment, seconds / 3) / num_envs,
        "policy": _microseconds(lambda: policy.act(first).distribution.sample(), seconds / 3) / num_envs,
        "learner": _learner_cost(policy, observation, seconds / 3),
        "checks": _cost_of_checks(first.numpy(), rollout_length * len(batch), seconds / 15),
    }


def _learner_cost(policy: torch.nn.Module, observation: torch.Tensor, seconds: float) -> float:
    """Microseconds per step of an update on observations ``[T, B, ...]``, with random actions and advantages."""
    from lit_a3c import RMSprop, losses

    optimizer = RMSprop(policy.parameters(), eps=1e-5)
    action = policy(observation).distribution.sample()
    advantage = torch.randn(observation.shape[:2])

    def update() -> None:
        distribution, value, _ = policy(observation)
        loss = (
            losses.policy_gradient_loss(distribution.log_prob(action), advantage)
            + 0.5 * losses.value_loss(value, advantage)
            + 0.01 * losses.entropy_loss(distribution.entropy())
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
        optimizer.step()

    return _microseconds(update, seconds) / advantage.numel()


def _cost_of_checks(observation: np.ndarray, steps_per_update: int, seconds: float) -> float:
    """Microseconds per step of the checks of an observation ``[E, ...]`` and its rewards, of a loss and a gradient."""
    from lit_a3c.utils import finite

    reward, number = np.zeros(len(observation)), torch.tensor(0.5)

    def update() -> None:
        finite.check_loss(number, {})
        finite.check_gradients(number, ())

    of_step = _microseconds(lambda: finite.check_step(observation, reward), seconds / 2) / len(observation)
    return of_step + _microseconds(update, seconds / 2) / steps_per_update


def _microseconds(call: Callable[[], object], seconds: float) -> float:
    """Microseconds of one call, averaged over so many seconds. The first fifth of them is warm-up."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds / 5:
        call()
    calls, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < 0.8 * seconds:
        call()
        calls += 1
    return 1e6 * elapsed / calls


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sb3", "bare"))
    parser.add_argument("env_id")
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--rollout-length", type=int, default=5)
    parser.add_argument("--num-minibatches", type=int, default=1, help="bare: updates made of one rollout")
    parser.add_argument("--separate", action="store_true", help="bare: policy and value have a network each")
    parser.add_argument("--head", help="bare: the action head, for example BetaHead; default: by the action space")
    parser.add_argument("--vector", default="DummyVecEnv", choices=("DummyVecEnv", "SubprocVecEnv"))
    parser.add_argument("--threads", type=int, default=0, help="sb3: torch threads; 0: torch's default")
    parser.add_argument("--warm-up", type=float, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    options = vars(parser.parse_args())
    if options.pop("what") == "sb3":
        for name in ("num_minibatches", "separate", "head"):
            del options[name]
        print(json.dumps(sb3_steps_per_second(**options)))
    else:
        for name in ("vector", "threads", "warm_up"):
            del options[name]
        print(json.dumps(bare_costs(**options)))


if __name__ == "__main__":
    main()
