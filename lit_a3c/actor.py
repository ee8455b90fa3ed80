"""One TorchRL collector with its own copy of the policy: the part of collecting that every mode shares."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lit_a3c.counter import Counter
from lit_a3c.envs import EnvConfig, EnvSpec
from lit_a3c.policy import ActorCritic, Agent
from lit_a3c.rollout import Rollout


@dataclass(frozen=True)
class CollectConfig:
    """What to collect and by how many.

    Args:
        env: The environment.
        spec: Its spaces.
        mode: ``async``: the learner takes single workers' rollouts, first come first served. ``sync``: it waits
            for one of every worker. ``serial``: likewise, but all in the learner's process.
        num_workers: Workers ``W``.
        envs_per_worker: Environments ``E`` of each worker.
        rollout_length: Steps ``T`` with the same weights, the paper's ``t_max``.
        seed: Every worker's environments and action draws derive from it.
        log_prob: Whether rollouts carry the log-probabilities of their actions.
        first_worker: Number of the first worker, where several processes collect for themselves.
        resumable: Whether the exact state of the environments will be asked for; in the mode ``serial`` only.
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds after which a worker that is to act and says nothing is taken for dead.
        taken: Where steps are counted as they are taken; the mode's own by default.
    """

    env: EnvConfig
    spec: EnvSpec
    mode: str
    num_workers: int
    envs_per_worker: int
    rollout_length: int
    seed: int
    log_prob: bool = False
    first_worker: int = 0
    resumable: bool = False
    max_restarts: int = 0
    worker_timeout: float = math.inf
    taken: Counter | None = None

    @property
    def steps_per_rollout(self) -> int:
        """Steps that the learner gets at once: ``E * T``, times ``W`` where it waits for all."""
        return self.envs_per_worker * self.rollout_length * (1 if self.mode == "async" else self.num_workers)

    def worker_seed(self, worker: int) -> int:
        """A seed of its own for every worker, far from the others."""
        return int(np.random.SeedSequence([self.seed, worker]).generate_state(1)[0] % 2**30)


class Actor:
    """One TorchRL collector over ``E`` environments with its own copy of the policy, on the CPU.

    Args:
        config: What to collect.
        policy: The policy to copy.
        worker: This worker's number.
    """

    def __init__(self, config: CollectConfig, policy: ActorCritic, worker: int) -> None:
        from torchrl.collectors import Collector

        self.policy = copy.deepcopy(policy).cpu().eval().requires_grad_(False)
        self.weights = tensors_of(self.policy)
        self._agent = Agent(self.policy, config.envs_per_worker)
        self._log_prob = config.log_prob
        self._features: list[Tensor] = []
        self._env = config.env.make(
            config.envs_per_worker, seed=config.worker_seed(worker), training=True, record=config.resumable
        )
        self._env.torchrl.taken = config.taken
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # on transforms for recurrent policies
            self._collector = Collector(
                self._env.torchrl,
                self._act,
                trust_policy=True,
                frames_per_batch=config.envs_per_worker * config.rollout_length,
                total_frames=-1,
                track_traj_ids=False,
                return_same_td=True,  # the buffer is copied or consumed before it is filled again
            )
        self._batches = iter(self._collector)

    def _act(self, state: Any) -> Any:
        """TorchRL's view of the policy. A ``TensorDictModule`` would do the same for 0.15 ms more a step."""
        self._agent.begin(self._env.begun)
        state.set("action", self._agent.distribution(state.get("observation")).sample())
        if self._log_prob:
            self._features.append(self._agent.features)
        return state

    def rollout(self) -> Rollout:
        """``T`` more steps. The tensors are views of a buffer that the next call fills again."""
        self._agent.begin(self._env.begun)
        memory = self._agent.memory.unsqueeze(0) if self.policy.memory_size else None
        self._features.clear()
        batch = next(self._batches)

        def time_first(*key: str) -> Tensor:
            return batch[key].transpose(0, 1)

        action, log_prob = time_first("action"), None
        if self._log_prob:  # of all steps at once: one by one costs a tenth of a step of HalfCheetah
            log_prob = self.policy.head(torch.stack(self._features)).log_prob(action)
        return Rollout(
            observation=time_first("observation"),
            action=action,
            reward=time_first("next", "reward").squeeze(-1),
            terminated=time_first("next", "terminated").squeeze(-1),
            truncated=time_first("next", "truncated").squeeze(-1),
            next_observation=time_first("next", "observation"),
            log_prob=log_prob,
            memory=memory,
            episodes=self._env.drain(),
        )

    def state(self) -> dict[str, Any]:
        """Environments and memories between two rollouts, as tensors and plain types."""
        return {"env": self._env.state(), "memory": self._agent.memory}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._env.resume(state["env"], self._collector.reset)
        self._agent.memory = state["memory"]

    def close(self) -> None:
        self._collector.shutdown()


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in one order everywhere. Listing them costs more than copying small ones: do it once."""
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
