"""What a policy makes of its actions, as rows of a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from torch.distributions import Categorical, Distribution

from lit_a3c.envs import components
from lit_a3c.evaluation.frames import Decision
from lit_a3c.networks.heads.composite import Joint

DRAWS = 2000
"""Draws from which a density is drawn. They have the same seed at every step, so that it does not flicker."""
COLUMNS = 56
"""Most columns of a chart."""
SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16
"""Weights of neighbouring columns of a density, which so many draws leave uneven."""


class Bar(NamedTuple):
    """A row for one choice."""

    label: str
    probability: float
    """Of taking it."""
    text: str
    taken: bool


class Chart(NamedTuple):
    """A row for one component of an action."""

    label: str
    heights: np.ndarray
    """The probabilities or the density, ``[columns]`` from 0 to 1."""
    taken: float
    """Where the action lies, from 0 to 1."""
    text: str
    """The action."""


Row = Bar | Chart


class _Part(NamedTuple):
    """A component of an action."""

    space: Space[Any]
    names: list[str]
    """Of its rows, one for each number."""
    action: np.ndarray
    """``[size]``."""
    distribution: Distribution | None
    """None where it is a part of a distribution that has no parts."""
    draws: np.ndarray
    """``[DRAWS, size]``."""


class ActionRows:
    """Rows for the actions of a space.

    A ``Discrete`` space has a bar for each choice, ``MultiBinary`` one for each switch. Every number of a ``Box`` and
    every choice inside a composite space has a chart of its distribution.

    Args:
        space: The environment's action space.
    """

    def __init__(self, space: Space[Any]) -> None:
        self._space, self._parts = space, components(space)
        self._names = list(row_names(space))
        self._ranges: dict[str, tuple[float, float]] = {}  # of the numbers without bounds

    @property
    def total(self) -> int:
        """Rows of all choices or components."""
        return int(self._space.n) if isinstance(self._space, Discrete) else len(self._names)

    def rows(self, decision: Decision, limit: int, names: Sequence[str] | None = None) -> list[Row]:
        """The rows of a decision in the first environment.

        Args:
            decision: What was decided.
            limit: Rows that there is room for, at least 1. The choice that was taken is always among them.
            names: Of the choices of a ``Discrete`` space.
        """
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(0)
            if isinstance(self._space, Discrete):
                return self._choices(self._space, decision, limit, names)
            return [row for part in self._split(decision, limit) for row in self._rows_of(part)][:limit]

    def _choices(self, space: Discrete, decision: Decision, limit: int, names: Sequence[str] | None) -> list[Row]:
        probabilities, taken = _probabilities(decision.distribution, int(space.n)), int(decision.action[0])
        shown = list(range(min(limit, len(probabilities))))
        if taken not in shown:
            shown[-1] = taken
        labels = names or [str(i + int(space.start)) for i in range(len(probabilities))]
        text = [f"{100 * p:.1f}%" if p > 0 else "0" for p in probabilities.tolist()]  # a forbidden choice has exactly 0
        return [Bar(labels[i], float(probabilities[i]), text[i], i == taken) for i in shown]

    def _split(self, decision: Decision, limit: int) -> Iterator[_Part]:
        """The components of an action, as far as their rows are shown."""
        distribution, at = decision.distribution, 0
        action = decision.action[0].reshape(-1).double().numpy()
        parts = distribution.parts if isinstance(distribution, Joint) else None
        together = _draws(distribution) if parts is None else np.empty((DRAWS, 0))
        for i, space in enumerate(self._parts):
            if at >= limit:
                return
            end = at + (int(np.prod(space.shape)) if space.shape else 1)
            own, draws = (None, together[:, at:end]) if parts is None else (parts[i], _draws(parts[i]))
            yield _Part(space, self._names[at:end], action[at:end], own, draws)
            at = end

    def _rows_of(self, part: _Part) -> list[Row]:
        match part.space:
            case Discrete():
                n, taken = int(part.space.n), int(part.action[0])
                own = part.distribution
                shares = _probabilities(own, n) if own else np.bincount(part.draws[:, 0].astype(int), minlength=n)
                heights = _pooled(shares / max(shares.max(), 1e-12))
                return [Chart(part.names[0], heights, (taken + 0.5) / n, str(taken + int(part.space.start)))]
            case MultiBinary():
                on = zip(part.names, part.draws.mean(0), part.action > 0.5, strict=True)
                return [Bar(name, float(share), "on" if taken else "off", bool(taken)) for name, share, taken in on]
        assert isinstance(part.space, Box)
        bounds = zip(part.space.low.ravel().tolist(), part.space.high.ravel().tolist(), strict=True)
        numbers = zip(part.names, part.action, part.draws.T, bounds, strict=True)
        return [self._density(*number) for number in numbers]

    def _density(self, name: str, action: float, draws: np.ndarray, bounds: tuple[float, float]) -> Chart:
        """The chart of one number. Its axis ends at the bounds, or where all densities so far have had room."""
        action, draws = np.clip(action, *bounds), np.clip(draws, *bounds)  # as the environment does
        low, high = bounds
        if not (np.isfinite(low) and np.isfinite(high)):
            seen = (*self._ranges.get(name, ()), action, *np.quantile(draws, (0.005, 0.995)))
            low, high = self._ranges[name] = (float(min(seen)), float(max(seen)))
        high = max(high, low + 1e-6)
        counts, _ = np.histogram(draws, COLUMNS, (low, high))
        heights = np.convolve(np.pad(counts, 2, "symmetric"), SMOOTHING, "valid")
        return Chart(name, heights / max(heights.max(), 1e-12), float((action - low) / (high - low)), f"{action:+.2f}")


def row_names(space: Space[Any], name: str = "") -> Iterator[str]:
    """What the numbers of an action are called, in the order of the flat vector: by keys and indices."""
    match space:
        case Dict():
            for key, part in space.items():
                yield from row_names(part, f"{name}.{key}" if name else str(key))
        case Tuple():
            for i, part in enumerate(space.spaces):
                yield from row_names(part, f"{name or 'action'}[{i}]")
        case Discrete():
            yield name or "action"
        case MultiDiscrete() | MultiBinary() | Box():
            single = space.shape in ((), (1,))
            for index in np.ndindex(space.shape):
                yield (name or "action") + ("" if single else str(list(index)))


def _probabilities(distribution: Distribution, n: int) -> np.ndarray:
    """Of each of ``n`` choices in the first environment, ``[n]``."""
    if isinstance(distribution, Categorical):
        shares = distribution.probs
    else:  # a head of the user's own, of which no more is known than that it has densities of single actions
        batch = distribution.batch_shape
        shares = torch.stack([distribution.log_prob(torch.full(batch, i)) for i in range(n)], dim=-1).exp()
    return shares[0].double().nan_to_num().cpu().numpy()


def _draws(distribution: Distribution) -> np.ndarray:
    """Actions in the first environment, ``[DRAWS, size]``."""
    return distribution.sample(torch.Size([DRAWS]))[:, 0].reshape(DRAWS, -1).double().cpu().numpy()


def _pooled(heights: np.ndarray) -> np.ndarray:
    """No more than :data:`COLUMNS` of them, each the largest of its neighbours."""
    if len(heights) <= COLUMNS:
        return heights
    starts = np.arange(COLUMNS) * len(heights) // COLUMNS
    return np.maximum.reduceat(heights, starts)
