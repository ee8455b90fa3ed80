"""One TorchRL collector with its own copy of the policy: the part of collecting that every engine shares."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.engines.base import RolloutConfig, tensors_of
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent
from lit_a3c.networks.temperature import temperatures, tempered
from lit_a3c.rollout import Rollout
from lit_a3c.utils.shared_counter import SharedCounter


class Actor:
    """One TorchRL collector over ``E`` environments with its own copy of the policy, on the CPU.

    Args:
        config: What to collect.
        policy: The policy to copy.
        worker: Number of the worker.
        collected: Where the steps are counted as they are taken.
        share_weights: Let the copy stand on the memory of the policy itself, which must be on the CPU. New weights
            then need no copying.

    Attributes:
        weights: Parameters and buffers of the copy. Who has newer weights writes them here between two rollouts.
    """

    def __init__(
        self,
        config: RolloutConfig,
        policy: ActorCritic,
        worker: int,
        collected: SharedCounter,
        *,
        share_weights: bool = False,
    ) -> None:
        from torchrl.collectors import Collector

        self._policy = copy.deepcopy(policy).cpu().eval().requires_grad_(False)
        if share_weights:
            pairs = zip(
                (*self._policy.parameters(), *self._policy.buffers()),
                (*policy.parameters(), *policy.buffers()),
                strict=True,
            )
            for own, shared in pairs:
                own.data = shared.data
        self.weights = tensors_of(self._policy)
        self._agent = Agent(self._policy, config.envs_per_worker)
        self._behaviour_log_prob = config.behaviour_log_prob
        self._features: list[Tensor] = []
        self._temperature: Tensor | None = None
        if config.temperature_spread != 1:
            first = worker * config.envs_per_worker
            self._temperature = temperatures(config.temperature_spread, first, config.envs_per_worker)
        self._env = config.env.make(
            config.envs_per_worker, seed=config.worker_seed(worker), training=True, record=config.resumable
        )
        self._env.torchrl.collected = collected
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
        self._agent.reset(self._env.is_init)
        state.set("action", self._behaviour(self._agent.distribution(state.get("observation"))).sample())
        if self._behaviour_log_prob:
            self._features.append(self._agent.features)
        return state

    def _behaviour(self, distribution: Distribution) -> Distribution:
        """The policy at the temperatures of the environments, of batch shape ``[..., E]``."""
        return distribution if self._temperature is None else tempered(distribution, self._temperature)

    def rollout(self, policy_version: int) -> Rollout:
        """``T`` more steps. The tensors are views of a buffer that the next call fills again.

        Args:
            policy_version: Version of :attr:`weights`; the rollout is stamped with it.
        """
        self._agent.reset(self._env.is_init)
        recurrent_state = self._agent.recurrent_state.unsqueeze(0) if self._policy.recurrent_state_size else None
        self._features.clear()
        batch = next(self._batches)

        def time_first(*key: str) -> Tensor:
            return batch[key].transpose(0, 1)

        observation, action, log_prob = time_first("observation"), time_first("action"), None
        if self._behaviour_log_prob:  # of all steps at once: one by one costs a tenth of a step of HalfCheetah
            policy = self._policy.distribution(torch.stack(self._features), observation)
            log_prob = self._behaviour(policy).log_prob(action)
        return Rollout(
            observation=observation,
            action=action,
            reward=time_first("next", "reward").squeeze(-1),
            terminated=time_first("next", "terminated").squeeze(-1),
            truncated=time_first("next", "truncated").squeeze(-1),
            next_observation=time_first("next", "observation"),
            behaviour_log_prob=log_prob,
            recurrent_state=recurrent_state,
            policy_version=policy_version,
            batch_first=True,
            episodes=self._env.pop_finished(),
        )

    def state_dict(self) -> dict[str, Any]:
        """Environments and recurrent states between two rollouts, as tensors and plain types."""
        return {"env": self._env.state_dict(), "recurrent_state": self._agent.recurrent_state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        self._env.load_state_dict(state_dict["env"], self._collector.reset)
        self._agent.recurrent_state = state_dict["recurrent_state"]

    def close(self) -> None:
        """Close the environments."""
        self._collector.shutdown()
