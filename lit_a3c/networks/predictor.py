"""A policy for people who step an environment themselves: numpy in, the environment's own actions out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.envs import EnvSpaces
from lit_a3c.envs.conversion import from_tensor, to_tensor
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent
from lit_a3c.utils.errors import ConfigError


class Predictor:
    """Acts on the observations of one environment, or of a batch of them, and carries their recurrent states.

    Args:
        policy: The policy, on any device.
        spaces: Of the environment.
    """

    def __init__(self, policy: ActorCritic, spaces: EnvSpaces) -> None:
        self._policy, self._spaces = policy, spaces
        self._agent: Agent | None = None

    def predict(self, observation: Any, deterministic: bool, episode_start: Any, action_mask: Any) -> Any:
        """See :meth:`lit_a3c.policy_module.PolicyModule.predict`."""
        tensor, batched = to_tensor(self._spaces, observation, action_mask)
        with self._evaluating():
            agent = self._agent_for(tensor, episode_start)
            distribution = agent.distribution(tensor)
            action = distribution.mode if deterministic else distribution.sample()
        return from_tensor(self._spaces, action, batched=batched)

    def distribution(self, observation: Any, episode_start: Any, action_mask: Any) -> Distribution:
        """See :meth:`lit_a3c.policy_module.PolicyModule.distribution`."""
        tensor, _ = to_tensor(self._spaces, observation, action_mask)
        with self._evaluating():
            agent = self._agent_for(tensor, episode_start)
            return self._policy.act(tensor.to(agent.recurrent_state.device), agent.recurrent_state).distribution

    def values(self, observation: Any, episode_start: Any) -> tuple[Tensor, bool]:
        """``v(s)`` in the value head's own units, ``[E]``, and whether a batch was given."""
        tensor, batched = to_tensor(self._spaces, observation, masked=False)  # a value depends on no mask
        with self._evaluating():
            agent = self._agent_for(tensor, episode_start)
            return self._policy.values(tensor.to(agent.recurrent_state.device), agent.recurrent_state), batched

    def _agent_for(self, tensor: Tensor, episode_start: Any) -> Agent:
        """Who acts: with the states of the last call, or with new ones for another number of environments."""
        agent, num_envs, device = self._agent, len(tensor), self._policy.value.weight.device
        if agent is None or agent.recurrent_state.shape[0] != num_envs or agent.recurrent_state.device != device:
            agent = self._agent = Agent(self._policy, num_envs)
        if episode_start is not None:
            is_init = torch.as_tensor(episode_start, dtype=torch.bool)
            if is_init.shape not in ((), (num_envs,)):
                raise ConfigError(f"episode_start has the shape {tuple(is_init.shape)}, and must have ({num_envs},).")
            agent.reset(is_init.expand(num_envs))
        return agent

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        """In the mode of an evaluation, without gradients."""
        training = self._policy.training
        self._policy.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self._policy.train(training)
