"""A policy that acts."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.networks.actor_critic import ActorCritic


class Agent:
    """A policy that acts in ``E`` environments and carries their recurrent states from step to step.

    Args:
        policy: The policy.
        num_envs: ``E``.
        deterministic: Take the most likely actions instead of drawn ones.
        generator: Draw actions from this CPU generator; None for torch's global one. With a generator an evaluation
            changes no draw of the training around it.

    Attributes:
        recurrent_state: State of the recurrent cores before the next step, ``[E, recurrent_state_size]``.
        features: What the head made the last distribution of, ``[E, num_features]``.
        generator: The generator.
    """

    features: Tensor

    def __init__(
        self,
        policy: ActorCritic,
        num_envs: int,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self._policy, self._deterministic, self.generator = policy, deterministic, generator
        self._device = policy.value.weight.device
        self.recurrent_state = torch.zeros(num_envs, policy.recurrent_state_size, device=self._device)

    def __getstate__(self) -> dict[str, Any]:
        """For another process: on the CPU, and with the state of the generator."""
        return {
            **{name: value for name, value in self.__dict__.items() if name != "features"},
            "_policy": copy.deepcopy(self._policy).cpu(),
            "_device": torch.device("cpu"),
            "recurrent_state": self.recurrent_state.cpu(),
            "generator": None if self.generator is None else self.generator.get_state(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.generator is not None:
            self.generator = torch.Generator()
            self.generator.set_state(state["generator"])

    def reset(self, is_init: Tensor) -> None:
        """Set the recurrent state to zero where an episode begins, ``[E]`` bool."""
        if self.recurrent_state.shape[1]:
            self.recurrent_state = self.recurrent_state * ~is_init.to(self._device).unsqueeze(-1)

    def distribution(self, observation: Tensor) -> Distribution:
        """The distribution of the actions for ``[E, *observation]``. The recurrent state goes one step on."""
        output = self._policy.act(observation.to(self._device), self.recurrent_state)
        self.recurrent_state, self.features = output.recurrent_state, output.features
        return output.distribution

    def __call__(self, observation: Tensor, is_init: Tensor) -> Tensor:
        """Actions on the CPU.

        Args:
            observation: ``[E, *observation]``.
            is_init: Which of them are the first of an episode, ``[E]`` bool.

        Returns:
            ``[E, *action]``.
        """
        self.reset(is_init)
        distribution = self.distribution(observation)
        return (distribution.mode if self._deterministic else self._draw(distribution)).cpu()

    def _draw(self, distribution: Distribution) -> Tensor:
        if self.generator is None:
            return distribution.sample()
        with torch.random.fork_rng(devices=[]):  # torch's distributions take no generator of their own
            torch.set_rng_state(self.generator.get_state())
            action = distribution.sample()
            self.generator.set_state(torch.get_rng_state())
        return action


def generator_from_global_state() -> torch.Generator:
    """A CPU generator that begins where torch's global one stands, and leaves that one as it is."""
    generator = torch.Generator()
    generator.set_state(torch.get_rng_state())
    return generator
