"""The two-headed network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c.bodies import Body, default_body, orthogonal
from lit_a3c.envs import EnvSpec
from lit_a3c.heads import ActionHead, default_head
from lit_a3c.memory import Memory, Remembered

BodyFactory = Callable[[Space[Any]], Body]
HeadFactory = Callable[[int, Space[Any]], ActionHead]
MemoryFactory = Callable[[int], Memory]


class PolicyOutput(NamedTuple):
    """What the network says of ``[T, B]`` observations."""

    distribution: Distribution
    """Over actions, of batch shape ``[T, B]``."""
    value: Tensor
    """``v(s)``, ``[T, B]``."""
    memory: Tensor
    """The memory's state after each step, ``[T, B, memory_size]``, where :class:`~lit_a3c.memory.Remembered` has it."""


class Acting(NamedTuple):
    """What the network says of ``[E]`` observations that are to be acted on."""

    distribution: Distribution
    """Over actions, of batch shape ``[E]``."""
    memory: Tensor
    """The memory's state after the step, ``[E, memory_size]``."""
    features: Tensor
    """What the head made the distribution of, ``[E, num_features]``."""


class Trunk(nn.Module):
    """A body and, if asked for, a memory: observations to features.

    Args:
        spec: The environment's spaces.
        body: Makes the body from the observation space.
        memory: Makes the memory from the number of features.
    """

    def __init__(self, spec: EnvSpec, body: BodyFactory, memory: MemoryFactory | None) -> None:
        super().__init__()
        self.body = body(spec.observation_space)
        self.memory = memory(self.body.num_features) if memory else None
        self.num_features = self.body.num_features if self.memory is None else self.memory.num_features
        self.state_size = 0 if self.memory is None else self.memory.state_size
        self._observation_dims = len(spec.observation_shape)

    def forward(self, observation: Tensor, state: Tensor | None, end: Tensor | None) -> Remembered:
        """``[T, B, *observation]`` to features; ``state`` and ``end`` as a memory takes them, zeros for None."""
        features = self.features(observation)
        if self.memory is None:
            return Remembered(features, features.new_empty(*features.shape[:-1], 0))
        if state is None:
            state = features.new_zeros(features.shape[1], self.state_size)
        remembered: Remembered = self.memory(features, state, end)
        return remembered

    def features(self, observation: Tensor) -> Tensor:
        """The body's, of ``[..., *observation]``, before any memory."""
        if self._environments_first(observation):
            return self.features(observation.transpose(0, 1)).transpose(0, 1)
        lead = observation.shape[: observation.ndim - self._observation_dims]
        features: Tensor = self.body(observation.reshape(-1, *observation.shape[len(lead) :]))
        return features.view(*lead, self.body.num_features)  # -1 would not do for no observations at all

    def observe(self, observation: Tensor) -> None:
        """Let the body's running statistics see ``[..., *observation]`` training observations."""
        if self._environments_first(observation):
            observation = observation.transpose(0, 1)
        self.body.observe(observation.flatten(0, observation.ndim - self._observation_dims - 1))

    def _environments_first(self, observation: Tensor) -> bool:
        """Whether ``[T, B, *observation]`` is a view of a collector's ``[B, T, ...]``.

        Read as they lie, pictures need no copy.
        """
        return observation.ndim - self._observation_dims == 2 and observation.stride(0) < observation.stride(1)


class ActorCritic(nn.Module):
    """``pi(a|s)`` and ``v(s)``, on one trunk as in section 4 of Mnih et al. (2016), or each on its own.

    Args:
        spec: The environment's spaces.
        body: Makes a body from the observation space.
        head: Makes the action head from the number of features and the action space.
        memory: Makes a memory from the number of features; None for a policy of the present observation alone.
        share_body: Whether both heads stand on one trunk. The paper's MuJoCo networks share nothing (its section 9).
    """

    def __init__(
        self,
        spec: EnvSpec,
        body: BodyFactory = default_body,
        head: HeadFactory = default_head,
        memory: MemoryFactory | None = None,
        share_body: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(spec, body, memory)
        self.value_trunk = None if share_body else Trunk(spec, body, memory)
        self.head = head(self.trunk.num_features, spec.action_space)
        self.value = orthogonal(nn.Linear(self.trunk.num_features, 1))
        self.trunks = [trunk for trunk in (self.trunk, self.value_trunk) if trunk is not None]
        self.memory_size = sum(trunk.state_size for trunk in self.trunks)

    def forward(self, observation: Tensor, memory: Tensor | None = None, end: Tensor | None = None) -> PolicyOutput:
        """``T`` consecutive steps of ``B`` environments.

        Args:
            observation: ``[T, B, *observation]``.
            memory: State of the memory before the first step, ``[B, memory_size]``; None for zeros.
            end: Where an episode ended with the step, ``[T, B]`` bool; None for nowhere.
        """
        own, other = self._split(memory)
        features, state = self.trunk(observation, own, end)
        value_features = features
        if self.value_trunk is not None:
            value_features, value_state = self.value_trunk(observation, other, end)
            state = torch.cat([state, value_state], dim=-1)
        return PolicyOutput(self.head(features), self._value(value_features), state)

    def values(self, observation: Tensor, memory: Tensor | None = None) -> Tensor:
        """``v(s)`` of ``B`` states that do not follow one another, ``[B]``.

        Args:
            observation: ``[B, *observation]``.
            memory: State of the memory before each, ``[B, memory_size]``; None for zeros.
        """
        own, other = self._split(memory)
        trunk, state = (self.trunk, own) if self.value_trunk is None else (self.value_trunk, other)
        return self._value(trunk(observation.unsqueeze(0), state, None).features).squeeze(0)

    @torch.no_grad()
    def act(self, observation: Tensor, memory: Tensor | None = None) -> Acting:
        """One step of ``E`` environments.

        Args:
            observation: ``[E, *observation]``.
            memory: State of the memory before the step, ``[E, memory_size]``; None for zeros.
        """
        if not self.memory_size:
            features = self.trunk.features(observation)
            return Acting(self.head(features), features.new_empty(*features.shape[:-1], 0), features)
        own, other = self._split(memory)
        features, state = self.trunk(observation.unsqueeze(0), own, None)
        if self.value_trunk is not None:
            state = torch.cat([state, self.value_trunk(observation.unsqueeze(0), other, None).state], dim=-1)
        features = features.squeeze(0)
        return Acting(self.head(features), state.squeeze(0), features)

    def observe(self, observation: Tensor) -> None:
        """Let running statistics see ``[..., *observation]`` training observations."""
        for trunk in self.trunks:
            trunk.observe(observation)

    def _split(self, memory: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The two trunks' shares of a memory's state."""
        if memory is None or self.value_trunk is None:
            return memory, None
        own, other = memory.split([self.trunk.state_size, self.value_trunk.state_size], dim=-1)
        return own, other

    def _value(self, features: Tensor) -> Tensor:
        value: Tensor = self.value(features)
        return value.squeeze(-1).float()


class Agent:
    """A policy that acts in ``E`` environments and carries their memories from step to step.

    Args:
        policy: The policy.
        num_envs: ``E``.
        deterministic: Take the most likely actions instead of drawn ones.
        own_draws: Draw from a stream of its own, so that an evaluation changes nothing in the training around it.

    Attributes:
        memory: State of the memories before the next step, ``[E, memory_size]``.
        features: What the head made the last distribution of, ``[E, num_features]``.
    """

    features: Tensor

    def __init__(
        self, policy: ActorCritic, num_envs: int, deterministic: bool = False, own_draws: bool = False
    ) -> None:
        self._policy, self._deterministic = policy, deterministic
        self._device = policy.value.weight.device
        self._random_state = torch.get_rng_state() if own_draws else None
        self.memory = torch.zeros(num_envs, policy.memory_size, device=self._device)

    def begin(self, begun: Tensor) -> None:
        """Forget what was before, where an episode begins, ``[E]`` bool."""
        if self.memory.shape[1]:
            self.memory = self.memory * ~begun.to(self._device).unsqueeze(-1)

    def distribution(self, observation: Tensor) -> Distribution:
        """Over the actions for ``[E, *observation]``; the memories go one step on."""
        distribution, self.memory, self.features = self._policy.act(observation.to(self._device), self.memory)
        return distribution

    def __call__(self, observation: Tensor, begun: Tensor) -> Tensor:
        """Actions ``[E, *action]`` on the CPU for ``[E, *observation]``, some of which begin an episode."""
        self.begin(begun)
        distribution = self.distribution(observation)
        return (distribution.mode if self._deterministic else self._draw(distribution)).cpu()

    def _draw(self, distribution: Distribution) -> Tensor:
        if self._random_state is None:
            return distribution.sample()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random_state)
            action = distribution.sample()
            self._random_state = torch.get_rng_state()
        return action
