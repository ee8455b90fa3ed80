"""A policy as a function of the environment's own observations, which torch can trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from torch import Tensor, nn

from lit_a3c.envs.flattening import flat_size
from lit_a3c.export.parameters import named_parameters
from lit_a3c.export.ports import (
    ACTION,
    MASK,
    NEXT_STATE,
    START,
    STATE,
    VALUE,
    Port,
    bounds,
    dtype_of,
    input_ports,
    named_components,
    named_leaves,
    observation_leaves,
)
from lit_a3c.policy_module import PolicyModule


class ExportedPolicy(nn.Module):
    """What :meth:`lit_a3c.A3C.predict`, ``value`` and ``distribution`` say together, for a batch of any size.

    Args:
        agent: The agent, whose network is shared.

    Attributes:
        network: The network.
        ports: The inputs of :meth:`forward`.
    """

    def __init__(self, agent: PolicyModule) -> None:
        super().__init__()
        self._spaces = agent.spaces
        self.network, self._return_scale = agent.policy, agent.return_scale
        self.ports = input_ports(agent.spaces, agent.policy.recurrent_state_size)
        self._seen = observation_leaves(agent.spaces)
        leaves = list(named_leaves(ACTION, agent.spaces.action_space))
        self._names = [name for name, _ in leaves]
        self._sizes = [flat_size(leaf) for _, leaf in leaves]
        self._actions = nn.ModuleList(_Action(leaf) for _, leaf in leaves)
        self._components = list(named_components(ACTION, agent.spaces.action_space))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of ``B`` environments.

        Args:
            inputs: A tensor ``[B, ...]`` for each of :attr:`ports`.

        Returns:
            ``action``, or ``action.PART`` for each part of a composite one, in the environment's units; ``value``, in
            units of the rewards; the parameters of the distribution; ``next_recurrent_state`` where there is one.
        """
        state = None
        if STATE in inputs:
            state = inputs[STATE] * ~inputs[START].unsqueeze(-1)
        output = self.network(self._observation(inputs).unsqueeze(0), state)
        flat = output.distribution.mode.squeeze(0)
        outputs = self._environment_actions(flat.reshape(flat.shape[0], -1))
        value = output.value if self._return_scale is None else self._return_scale.restore(output.value)
        outputs[VALUE] = value.squeeze(0)
        for name, parameter in named_parameters(output.distribution, self._components).items():
            outputs[name] = parameter.squeeze(0)
        if state is not None:
            outputs[NEXT_STATE] = output.recurrent_state.squeeze(0)
        return outputs

    def example(self, batch: int) -> dict[str, Tensor]:
        """Inputs of zeros, with masks that allow everything."""
        inputs = {port.name: port.zeros(batch) for port in self.ports}
        if MASK in inputs:
            inputs[MASK] = torch.ones_like(inputs[MASK])
        return inputs

    def example_of_body(self, batch: int) -> Tensor:
        """Zeros as the network's body takes them, ``[B, *seen]``."""
        return torch.zeros(batch, *self._spaces.seen_shape, dtype=self._spaces.observation_dtype)

    def output_ports(self) -> list[Port]:
        """The outputs of :meth:`forward`."""
        with torch.no_grad():
            return [Port.of(name, tensor) for name, tensor in self(self.example(2)).items()]

    def _observation(self, inputs: dict[str, Tensor]) -> Tensor:
        """The tensor that the network takes, as :func:`lit_a3c.envs.conversion.to_tensor` makes it: ``[B, ...]``."""
        dtype = self._spaces.observation_dtype
        if isinstance(self._spaces.observation_space, Box) and not self._spaces.mask_size:
            return inputs[self._seen[0][0]].to(dtype)
        parts = [_flat(leaf, inputs[name]).to(dtype) for name, leaf in self._seen]
        if self._spaces.mask_size:
            parts.append(inputs[MASK].to(dtype))
        return torch.cat(parts, dim=1)

    def _environment_actions(self, flat: Tensor) -> dict[str, Tensor]:
        """The environment's own actions of ``[B, D]``, as :func:`lit_a3c.envs.conversion.from_tensor` makes them."""
        parts = zip(self._names, self._actions, flat.split(self._sizes, dim=1), strict=True)
        return {name: action(piece) for name, action, piece in parts}


class _Action(nn.Module):
    """One part of an action: from the network's numbers ``[B, size]`` to the environment's."""

    start: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, space: Space[Any]) -> None:
        super().__init__()
        self._space, self._dtype = space, dtype_of(space)
        if isinstance(space, Discrete | MultiDiscrete):
            self.register_buffer("start", torch.from_numpy(np.asarray(space.start).copy()).to(self._dtype))
        if isinstance(space, Box):
            for bound, values in zip(("low", "high"), bounds(space), strict=True):
                self.register_buffer(bound, values)

    def forward(self, flat: Tensor) -> Tensor:
        values = flat.to(self._dtype).reshape(flat.shape[0], *(self._space.shape or ()))
        match self._space:
            case Discrete() | MultiDiscrete():
                return values + self.start
            case Box():
                return torch.minimum(torch.maximum(values, self.low), self.high)
        return values


def _flat(space: Space[Any], values: Tensor) -> Tensor:
    """``[B, *shape]`` to ``[B, D]``, as Gymnasium flattens them: whole numbers as one-hot vectors."""
    match space:
        case Discrete():
            return _one_hot(values - int(space.start), int(space.n))
        case MultiDiscrete():
            columns = (values - torch.from_numpy(space.start.copy())).flatten(1).unbind(1)
            sizes = space.nvec.flatten().tolist()
            return torch.cat([_one_hot(column, n) for column, n in zip(columns, sizes, strict=True)], dim=1)
    return values.flatten(1)


def _one_hot(numbers: Tensor, size: int) -> Tensor:
    """``[B]`` to ``[B, size]`` bool."""
    return numbers.unsqueeze(1) == torch.arange(size)
