"""Memories against torch's cells, step by step and each environment on its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c import ConfigError
from lit_a3c.memory import GRU, LSTM, RecurrentMemory
from tests.cells import Kind, cell_step

T, B, F, H = 6, 3, 4, 5

ENDS: dict[str, list[tuple[int, int]]] = {
    "nowhere": [],
    "in the first row": [(0, 1)],
    "in the last row": [(5, 0), (5, 2)],
    "in consecutive rows": [(1, 0), (2, 0), (3, 0), (3, 2), (4, 2)],
    "in all environments at once": [(2, 0), (2, 1), (2, 2)],
    "everywhere": [(t, b) for t in range(T) for b in range(B)],
    "here and there": [(0, 0), (1, 2), (4, 0), (5, 1)],
}

kinds = pytest.mark.parametrize("kind", [LSTM, GRU])
anywhere = pytest.mark.parametrize("places", ENDS.values(), ids=ENDS)


def make(kind: Kind) -> RecurrentMemory:
    """A small memory, biases included."""
    memory = kind(F, H)
    for parameter in memory.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return memory


def ends(places: list[tuple[int, int]]) -> Tensor:
    """``[T, B]`` bool, true at the places."""
    end = torch.zeros(T, B, dtype=torch.bool)
    for t, b in places:
        end[t, b] = True
    return end


def case(memory: RecurrentMemory) -> tuple[Tensor, Tensor]:
    """Features and a state in the middle of something."""
    return torch.randn(T, B, F, requires_grad=True), torch.randn(B, memory.state_size)


def unroll(memory: RecurrentMemory, features: Tensor, state: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``[T, B, H]`` and states ``[T, B, S]`` after each step, before zeros take their place at an end."""
    columns = []
    for b in range(features.shape[1]):
        now, states = state[b], []
        for t in range(features.shape[0]):
            now = cell_step(memory, features[t, b], now)
            states.append(now)
            if end[t, b]:
                now = torch.zeros_like(now)
        columns.append(torch.stack(states))
    states_of_all = torch.stack(columns, 1)
    return states_of_all[..., :H], states_of_all


@kinds
@anywhere
def test_features_are_the_cells_step_by_step(kind: Kind, places: list[tuple[int, int]]) -> None:
    """A batch of steps and environments is each of them on its own, wherever episodes end."""
    memory, end = make(kind), ends(places)
    features, state = case(memory)
    expected, _ = unroll(memory, features, state, end)
    torch.testing.assert_close(memory(features, state, end).features, expected, rtol=0, atol=1e-6)


@kinds
@anywhere
def test_states_are_the_cells_where_they_are_asked_for(kind: Kind, places: list[tuple[int, int]]) -> None:
    """In the last row and wherever an episode ended: what the step left, not yet the next episode's zeros."""
    memory, end = make(kind), ends(places)
    features, state = case(memory)
    _, expected = unroll(memory, features, state, end)
    asked = end.any(1)
    asked[-1] = True
    torch.testing.assert_close(memory(features, state, end).state[asked], expected[asked], rtol=0, atol=1e-6)


@kinds
@anywhere
def test_gradients_are_the_cells_step_by_step(kind: Kind, places: list[tuple[int, int]]) -> None:
    """Of the weights and of the features."""
    memory, end = make(kind), ends(places)
    features, state = case(memory)
    weight = torch.randn(T, B, H)
    inputs = [features, *memory.parameters()]
    expected = torch.autograd.grad((weight * unroll(memory, features, state, end)[0]).sum(), inputs)
    found = torch.autograd.grad((weight * memory(features, state, end).features).sum(), inputs)
    torch.testing.assert_close(found, expected)


@kinds
def test_no_gradient_crosses_the_end_of_an_episode(kind: Kind) -> None:
    """What follows an end depends on nothing before it; in an environment whose episode goes on it does."""
    memory = make(kind)
    features, state = case(memory)
    output = memory(features, state, ends([(2, 1)])).features
    [gradient] = torch.autograd.grad(output[3:].sum(), [features])
    assert not gradient[:3, 1].any()
    assert gradient[3:, 1].all()
    assert gradient[:, [0, 2]].all()


@kinds
def test_no_gradient_reaches_the_rollout_before(kind: Kind) -> None:
    """A state that is handed on is a number; the features have a gradient."""
    memory = make(kind)
    before, state = case(memory)
    now, _ = case(memory)
    handed_on = memory(before, state).state[-1]
    assert not handed_on.requires_grad
    past, present = torch.autograd.grad(memory(now, handed_on).features.sum(), [before, now], allow_unused=True)
    assert past is None
    assert present.all()


@kinds
def test_no_ends_given_are_none(kind: Kind) -> None:
    """``None`` is the same as false everywhere."""
    memory = make(kind)
    features, state = case(memory)
    found, expected = memory(features, state), memory(features, state, ends([]))
    assert torch.equal(found.features, expected.features)
    assert torch.equal(found.state[-1], expected.state[-1])


@kinds
@pytest.mark.parametrize("ended", [False, True])
def test_one_step_alone(kind: Kind, ended: bool) -> None:
    """Whether or not an episode ends with it, the state is the cell's."""
    memory = make(kind)
    features, state = case(memory)
    found = memory(features[:1], state, torch.full((1, B), ended))
    for b in range(B):
        expected = cell_step(memory, features[0, b], state[b])
        torch.testing.assert_close(found.features[0, b], expected[:H], rtol=0, atol=1e-6)
        torch.testing.assert_close(found.state[0, b], expected, rtol=0, atol=1e-6)


@kinds
def test_two_halves_make_a_whole(kind: Kind) -> None:
    """With the state handed on, zeros where an episode ended with the first half."""
    memory, end = make(kind), ends([(1, 0), (2, 1), (4, 2)])
    features, state = case(memory)
    whole = memory(features, state, end)
    first = memory(features[:3], state, end[:3])
    begin = first.state[-1].clone()
    begin[1] = 0
    second = memory(features[3:], begin, end[3:])
    torch.testing.assert_close(torch.cat([first.features, second.features]), whole.features, rtol=0, atol=1e-6)
    torch.testing.assert_close(second.state[-1], whole.state[-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "size"), [(LSTM, 10), (GRU, 5)])
def test_a_state_is_flat(kind: Kind, size: int) -> None:
    """One vector per environment in and out: the LSTM's has two parts, the GRU's one."""
    memory = kind(F, H)
    assert (memory.num_features, memory.state_size) == (5, size)
    found = memory(torch.randn(T, B, F), torch.zeros(B, size))
    assert found.features.shape == (T, B, 5)
    assert found.state.shape == (T, B, size)


@kinds
def test_the_papers_size_is_the_default(kind: Kind) -> None:
    """256 units."""
    assert kind(F).num_features == 256


@kinds
@pytest.mark.parametrize("hidden_size", [0, -1, 2.5])
def test_bad_sizes_are_refused(kind: Kind, hidden_size: Any) -> None:
    """By the option's name, before torch sees them."""
    with pytest.raises(ConfigError, match=f"model.memory.hidden_size {hidden_size} must be a whole number at least 1"):
        kind(F, hidden_size)
