"""Recurrent cores against torch's cells, step by step and each environment on its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c import ConfigError
from lit_a3c.networks.recurrent import GRU, LSTM, TorchRecurrentCore
from tests.rnn_reference import Kind, cell_step

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


def make(kind: Kind) -> TorchRecurrentCore:
    """A small core with random weights and biases."""
    core = kind(F, H)
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return core


def done_at(places: list[tuple[int, int]]) -> Tensor:
    """``[T, B]`` bool, true at these places."""
    done = torch.zeros(T, B, dtype=torch.bool)
    for t, b in places:
        done[t, b] = True
    return done


def case(core: TorchRecurrentCore) -> tuple[Tensor, Tensor]:
    """Features, and a state in the middle of an episode."""
    return torch.randn(T, B, F, requires_grad=True), torch.randn(B, core.state_size)


def unroll(core: TorchRecurrentCore, features: Tensor, state: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``[T, B, H]`` and states ``[T, B, S]`` after each step, before zeros replace those at an end."""
    columns = []
    for b in range(features.shape[1]):
        now, states = state[b], []
        for t in range(features.shape[0]):
            now = cell_step(core, features[t, b], now)
            states.append(now)
            if done[t, b]:
                now = torch.zeros_like(now)
        columns.append(torch.stack(states))
    states_of_all = torch.stack(columns, 1)
    return states_of_all[..., :H], states_of_all


@kinds
@anywhere
def test_features_are_the_cells_step_by_step(kind: Kind, places: list[tuple[int, int]]) -> None:
    """A batch of steps and environments is each of them on its own, wherever episodes end."""
    core, done = make(kind), done_at(places)
    features, state = case(core)
    expected, _ = unroll(core, features, state, done)
    torch.testing.assert_close(core(features, state, done).features, expected, rtol=0, atol=1e-6)


@kinds
@anywhere
def test_states_are_the_cells_where_they_are_asked_for(kind: Kind, places: list[tuple[int, int]]) -> None:
    """In the last row and wherever an episode ended they are what the step left, before the next episode's zeros."""
    core, done = make(kind), done_at(places)
    features, state = case(core)
    _, expected = unroll(core, features, state, done)
    asked = done.any(1)
    asked[-1] = True
    torch.testing.assert_close(core(features, state, done).recurrent_state[asked], expected[asked], rtol=0, atol=1e-6)


@kinds
@anywhere
def test_gradients_are_the_cells_step_by_step(kind: Kind, places: list[tuple[int, int]]) -> None:
    """This holds for the gradients of the weights and of the features."""
    core, done = make(kind), done_at(places)
    features, state = case(core)
    weight = torch.randn(T, B, H)
    inputs = [features, *core.parameters()]
    expected = torch.autograd.grad((weight * unroll(core, features, state, done)[0]).sum(), inputs)
    found = torch.autograd.grad((weight * core(features, state, done).features).sum(), inputs)
    torch.testing.assert_close(found, expected)


@kinds
def test_no_gradient_crosses_the_end_of_an_episode(kind: Kind) -> None:
    """What follows an end depends on nothing before it. Where the episode goes on, it does."""
    core = make(kind)
    features, state = case(core)
    output = core(features, state, done_at([(2, 1)])).features
    [gradient] = torch.autograd.grad(output[3:].sum(), [features])
    assert not gradient[:3, 1].any()
    assert gradient[3:, 1].all()
    assert gradient[:, [0, 2]].all()


@kinds
def test_no_gradient_reaches_the_rollout_before(kind: Kind) -> None:
    """A state that is handed on is a number. The features have a gradient."""
    core = make(kind)
    before, state = case(core)
    now, _ = case(core)
    handed_on = core(before, state).recurrent_state[-1]
    assert not handed_on.requires_grad
    past, present = torch.autograd.grad(core(now, handed_on).features.sum(), [before, now], allow_unused=True)
    assert past is None
    assert present.all()


@kinds
def test_no_ends_given_are_none(kind: Kind) -> None:
    """``None`` is the same as false everywhere."""
    core = make(kind)
    features, state = case(core)
    found, expected = core(features, state), core(features, state, done_at([]))
    assert torch.equal(found.features, expected.features)
    assert torch.equal(found.recurrent_state[-1], expected.recurrent_state[-1])


@kinds
@pytest.mark.parametrize("ended", [False, True])
def test_one_step_alone(kind: Kind, ended: bool) -> None:
    """The state is the cell's, whether or not an episode ends with the step."""
    core = make(kind)
    features, state = case(core)
    found = core(features[:1], state, torch.full((1, B), ended))
    for b in range(B):
        expected = cell_step(core, features[0, b], state[b])
        torch.testing.assert_close(found.features[0, b], expected[:H], rtol=0, atol=1e-6)
        torch.testing.assert_close(found.recurrent_state[0, b], expected, rtol=0, atol=1e-6)


@kinds
def test_two_halves_make_a_whole(kind: Kind) -> None:
    """The state is handed on, with zeros where an episode ended with the first half."""
    core, done = make(kind), done_at([(1, 0), (2, 1), (4, 2)])
    features, state = case(core)
    whole = core(features, state, done)
    first = core(features[:3], state, done[:3])
    begin = first.recurrent_state[-1].clone()
    begin[1] = 0
    second = core(features[3:], begin, done[3:])
    torch.testing.assert_close(torch.cat([first.features, second.features]), whole.features, rtol=0, atol=1e-6)
    torch.testing.assert_close(second.recurrent_state[-1], whole.recurrent_state[-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "size"), [(LSTM, 10), (GRU, 5)])
def test_a_state_is_flat(kind: Kind, size: int) -> None:
    """It is one vector for each environment. The LSTM's has two parts, the GRU's one."""
    core = kind(F, H)
    assert (core.num_features, core.state_size) == (5, size)
    found = core(torch.randn(T, B, F), torch.zeros(B, size))
    assert found.features.shape == (T, B, 5)
    assert found.recurrent_state.shape == (T, B, size)


@kinds
def test_the_papers_size_is_the_default(kind: Kind) -> None:
    """It is 256 units."""
    assert kind(F).num_features == 256


@kinds
@pytest.mark.parametrize("hidden_size", [0, -1, 2.5])
def test_bad_sizes_are_refused(kind: Kind, hidden_size: Any) -> None:
    """The message has the name of the option, and torch does not see them."""
    with pytest.raises(
        ConfigError, match=f"model.recurrent.hidden_size {hidden_size} must be a whole number at least 1"
    ):
        kind(F, hidden_size)
