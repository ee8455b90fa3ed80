"""A policy that acts."""

from __future__ import annotations

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
    """

    features: Tensor

    def __init__(
        self,
        policy: ActorCritic,
        num_envs: int,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self._policy, self._deterministic, self._generator = policy, deterministic, generator
        self._device = policy.value.weight.device
        self.recurrent_state = torch.zeros(num_envs, policy.recurrent_state_size, device=self._device)

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
        if self._generator is None:
            return distribution.sample()
        with torch.random.fork_rng(devices=[]):  # torch's distributions take no generator of their own
            torch.set_rng_state(self._generator.get_state())
            action = distribution.sample()
            self._generator.set_state(torch.get_rng_state())
        return action


def generator_from_global_state() -> torch.Generator:
    """A CPU generator that begins where torch's global one stands, and leaves that one as it is."""
    generator = torch.Generator()
    generator.set_state(torch.get_rng_state())
    return generator
