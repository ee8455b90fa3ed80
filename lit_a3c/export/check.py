"""Whether an exported file says what the policy says: both are asked about the same random observations."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from gymnasium.spaces.utils import unflatten
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.envs import EnvSpaces, components
from lit_a3c.envs.masks import KEY
from lit_a3c.export.formats import Run
from lit_a3c.export.parameters import named_parameters
from lit_a3c.export.ports import (
    ACTION,
    MASK,
    NEXT_STATE,
    OBSERVATION,
    START,
    STATE,
    VALUE,
    dtype_of,
    named_components,
    named_leaves,
)
from lit_a3c.policy_module import PolicyModule
from lit_a3c.utils.errors import RunError

BATCHES, STEPS = (1, 2, 7), 10
"""Sizes of the batches, and the steps for which each is played: 100 observations in all."""
TOLERANCE = 1e-5
"""The largest difference. That of an output with numbers above 1 is a share of the largest of them."""
WIDE, SPREAD = 1000.0, 10.0
"""Numbers with a range above the first are drawn from a normal distribution with this standard deviation."""


def largest_difference(agent: PolicyModule, run: Run) -> float:
    """The largest difference between an exported file and the agent's ``predict``, ``value`` and ``distribution``.

    Each of :data:`BATCHES` goes through :data:`STEPS` steps with new observations and masks. Recurrent states are
    carried by both sides on their own. Some episodes begin anew on the way.

    Args:
        agent: The agent.
        run: The file.

    Raises:
        RunError: It is above :data:`TOLERANCE`; with the output.
    """
    pairs: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for batch in BATCHES:
        states = torch.zeros(batch, agent.policy.recurrent_state_size)
        for step, (observation, mask) in enumerate(_situations(agent.spaces, batch)):
            start = torch.arange(batch) % 2 == step % 4 if step else torch.ones(batch, dtype=torch.bool)
            given = run(_inputs(agent, observation, mask, states, start))
            states = given.get(NEXT_STATE, states)
            expected, distribution = _ask(agent, observation, mask, start)
            if _as_likely(agent.spaces.action_space, distribution, given, expected):
                given |= {name: tensor for name, tensor in expected.items() if name.startswith(ACTION)}
            for name, tensor in expected.items():
                pairs.setdefault(name, []).append((given[name], tensor))
    differences = {name: _difference(*map(torch.cat, zip(*those, strict=True))) for name, those in pairs.items()}
    for name, difference in differences.items():
        if not difference <= TOLERANCE:
            raise RunError(
                f"the exported policy is not the same: its {name} differs by {difference:.2g}, and at most "
                f"{TOLERANCE:g} is allowed. No file is written."
            )
    return max(differences.values())


def _ask(agent: PolicyModule, observation: Any, mask: Any, start: Tensor) -> tuple[dict[str, Tensor], Distribution]:
    """What the agent says: by the names of the outputs, and the distribution."""
    begins = start.numpy()
    space = agent.spaces.action_space
    distribution = agent.distribution(observation, episode_start=begins, action_mask=mask)
    value = agent.value(observation, episode_start=begins)
    action = agent.predict(observation, deterministic=True, episode_start=begins, action_mask=mask)
    said = {VALUE: torch.from_numpy(value), **named_parameters(distribution, list(named_components(ACTION, space)))}
    return {**_tensors(ACTION, space, action), **said}, distribution


def _inputs(agent: PolicyModule, observation: Any, mask: Any, states: Tensor, start: Tensor) -> dict[str, Tensor]:
    """The same for the file."""
    spaces, inputs = agent.spaces, _tensors(OBSERVATION, agent.spaces.observation_space, observation)
    if spaces.mask_size:
        own = f"{OBSERVATION}.{KEY}"
        inputs = {name: t for name, t in inputs.items() if name != own and not name.startswith(f"{own}.")}
        inputs[MASK] = torch.from_numpy(np.stack(mask))
    return inputs | ({STATE: states, START: start} if states.shape[1] else {})


def _situations(spaces: EnvSpaces, batch: int) -> Iterator[tuple[Any, list[np.ndarray] | None]]:
    """Batches of random observations in the environment's own form, each with flat masks where there are masks."""
    draws = np.random.default_rng(batch)
    space: Any = copy.deepcopy(spaces.observation_space)
    for name, leaf in named_leaves(OBSERVATION, space):
        leaf.seed(batch + 1000 * len(name))
    for _ in range(STEPS):
        masks = [_mask(spaces.action_space, draws) for _ in range(batch)] if spaces.mask_size else None
        rows = [_drawn(space, space.sample(), draws) for _ in range(batch)]
        if masks and spaces.mask_source == "observation":
            for row, mask in zip(rows, masks, strict=True):
                row[KEY] = unflatten(space[KEY], mask)
        empty: Any = create_empty_array(space, batch)
        yield concatenate(space, rows, empty), masks


def _drawn(space: Any, sample: Any, draws: np.random.Generator) -> Any:
    """A sample of a space, in which numbers of a huge range are not huge themselves."""
    if isinstance(sample, dict):
        return {key: _drawn(space[key], value, draws) for key, value in sample.items()}
    if isinstance(sample, tuple):
        return tuple(_drawn(space[i], value, draws) for i, value in enumerate(sample))
    if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
        return sample
    with np.errstate(over="ignore"):
        wide = ~(space.high.astype(float) - space.low.astype(float) <= WIDE)
    normal = np.clip(draws.normal(0, SPREAD, space.shape), space.low, space.high)
    return np.where(wide, normal, sample).astype(space.dtype)


def _mask(space: Space[Any], draws: np.random.Generator) -> np.ndarray:
    """A flat mask that allows at least one action of each component."""
    pieces = []
    for part in components(space):
        if isinstance(part, Discrete):
            piece = draws.random(int(part.n)) < 0.5
            piece[draws.integers(len(piece))] = True
            pieces.append(piece)
    return np.concatenate(pieces)


def _tensors(name: str, space: Space[Any], batch: Any) -> dict[str, Tensor]:
    """A batch of a space as tensors by name."""
    values = list(_values(space, batch))
    leaves = named_leaves(name, space)
    return {
        name: torch.from_numpy(np.asarray(value)).to(dtype_of(leaf))
        for (name, leaf), value in zip(leaves, values, strict=True)
    }


def _values(space: Any, batch: Any) -> Iterator[Any]:
    if isinstance(batch, dict | tuple):
        keys: Sequence[Any] = list(space) if isinstance(batch, dict) else range(len(batch))
        for key in keys:
            yield from _values(space[key], batch[key])
    else:
        yield batch


def _difference(given: Tensor, expected: Tensor) -> float:
    """The largest difference of two tensors, as a share of the largest number where that is above 1."""
    if given.shape != expected.shape:
        return math.inf
    given, expected = given.double(), expected.double()
    different = given != expected  # minus infinity, the logit of a forbidden action, equals itself
    if not different.any():
        return 0.0
    scale = max([1.0, *expected[expected.isfinite()].abs().tolist()])
    return float((given - expected)[different].abs().max()) / scale


def _as_likely(
    space: Space[Any], distribution: Distribution, given: dict[str, Tensor], expected: dict[str, Tensor]
) -> bool:
    """Whether two actions are equally likely. Rounding then decides which of them is called the most likely one."""
    if not all(isinstance(part, Discrete | MultiDiscrete) for _, part in named_leaves(ACTION, space)):
        return False
    own, other = (distribution.log_prob(_flat(space, actions)) for actions in (expected, given))
    return bool(((own - other).abs() <= TOLERANCE).all())


def _flat(space: Space[Any], actions: dict[str, Tensor]) -> Tensor:
    """Actions of whole numbers as the distribution takes them."""
    if isinstance(space, Discrete):
        return actions[ACTION] - int(space.start)
    parts = []
    for name, leaf in named_leaves(ACTION, space):
        assert isinstance(leaf, Discrete | MultiDiscrete)
        parts.append((actions[name] - torch.as_tensor(leaf.start)).reshape(len(actions[name]), -1))
    return torch.cat(parts, dim=1).float()
