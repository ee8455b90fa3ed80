"""What a policy makes of its actions, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent
from torchrl.modules import MaskedCategorical

from lit_a3c.evaluation.action_rows import COLUMNS, ActionRows, Bar, Chart, Row, row_names
from lit_a3c.evaluation.frames import Decision
from lit_a3c.networks.distributions import CensoredGaussian, DiagonalGaussian, ScaledBeta
from lit_a3c.networks.heads.composite import Joint

LOGITS = torch.tensor([[0.5, 0.2, 0.3]]).log()


def rows(space: Space, distribution: Distribution, action: Any, limit: int = 99, **kwargs: Any) -> list[Row]:
    decision = Decision(distribution, torch.as_tensor(action), torch.zeros(1), torch.zeros(1))
    return ActionRows(space).rows(decision, limit, **kwargs)


def test_a_choice_has_a_bar_for_each_action() -> None:
    bars = rows(Discrete(3, start=4), Categorical(logits=LOGITS), [2])
    assert [bar.label for bar in bars] == ["4", "5", "6"]
    assert [bar.probability for bar in bars] == pytest.approx([0.5, 0.2, 0.3])
    assert [bar.text for bar in bars] == ["50.0%", "20.0%", "30.0%"]
    assert [bar.taken for bar in bars] == [False, False, True]
    named = rows(Discrete(3), Categorical(logits=LOGITS), [2], names=("a", "b", "c"))
    assert [bar.label for bar in named] == ["a", "b", "c"]


class ThirdParty(Distribution):
    """Has what a head's distribution must have, and nothing else."""

    arg_constraints: Any = {}

    def __init__(self) -> None:
        super().__init__(torch.Size([1]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return LOGITS[0][value.long()]


def test_any_distribution_will_do() -> None:
    assert [bar.probability for bar in rows(Discrete(3), ThirdParty(), [0])] == pytest.approx([0.5, 0.2, 0.3])


@pytest.mark.parametrize(
    "masked",
    [
        Categorical(logits=torch.tensor([[0.0, -torch.inf, 0.0]]), validate_args=False),
        MaskedCategorical(logits=torch.tensor([[0.0, 5.0, 0.0]]), mask=torch.tensor([[True, False, True]])),
    ],
)
def test_a_forbidden_action_has_no_chance(masked: Distribution) -> None:
    bars = rows(Discrete(3), masked, [2])
    assert [bar.probability for bar in bars] == pytest.approx([0.5, 0.0, 0.5])
    assert [bar.text for bar in bars] == ["50.0%", "0", "50.0%"]
    (chart,) = rows(MultiDiscrete([3]), Joint([masked]), [[2.0]])
    assert chart.heights == pytest.approx([1, 0, 1])


@pytest.mark.parametrize(("taken", "shown"), [(1, [0, 1, 2, 3]), (3, [0, 1, 2, 3]), (500, [0, 1, 2, 500])])
def test_of_many_actions_the_first_and_the_one_taken_are_shown(taken: int, shown: list[int]) -> None:
    many = ActionRows(Discrete(1000))
    assert many.total == 1000
    decision = Decision(Categorical(logits=torch.zeros(1, 1000)), torch.tensor([taken]), torch.zeros(1), torch.zeros(1))
    bars = many.rows(decision, 4)
    assert [int(bar.label) for bar in bars] == shown
    assert [int(bar.label) for bar in bars if bar.taken] == [taken]
    assert bars[0].probability == pytest.approx(0.001)


def test_a_number_has_a_chart_of_its_density() -> None:
    """Between its bounds. What the environment clips lies at the bound, action and density alike."""
    space = Box(np.array([-1, 0], np.float32), np.array([1, 10], np.float32))
    low, high = torch.as_tensor(space.low), torch.as_tensor(space.high)
    mean, std = torch.tensor([[0.5, 12.0]]), torch.tensor([[0.1, 1.0]])
    inside, clipped = rows(space, CensoredGaussian(mean, std, low, high), [[0.45, 13.0]])
    assert isinstance(inside, Chart)
    assert len(inside.heights) == COLUMNS
    assert inside.heights.max() == 1
    columns = np.arange(COLUMNS) + 0.5
    centre = -1 + 2 * (columns * inside.heights).sum() / inside.heights.sum() / COLUMNS
    assert centre == pytest.approx(0.5, abs=0.02)
    assert inside.taken == pytest.approx((0.45 + 1) / 2)
    assert (inside.label, inside.text) == ("action[0]", "+0.45")
    assert (clipped.text, clipped.taken) == ("+10.00", 1.0)
    assert clipped.heights.argmax() == COLUMNS - 1


def test_a_number_without_bounds_has_room_for_what_was_seen() -> None:
    """The axis grows, so that a mean that moves is seen to move."""
    actions = ActionRows(Box(-np.inf, np.inf, (1,)))

    def chart(mean: float) -> Chart:
        distribution = DiagonalGaussian(torch.tensor([[mean]]), torch.tensor([[1.0]]), 1)
        decision = Decision(distribution, torch.tensor([[mean]]), torch.zeros(1), torch.zeros(1))
        (row,) = actions.rows(decision, 9)
        assert isinstance(row, Chart)
        return row

    assert chart(0.0).taken == pytest.approx(0.5, abs=0.07)
    assert chart(10.0).taken == pytest.approx(0.82, abs=0.04)
    assert chart(0.0).taken == pytest.approx(0.18, abs=0.04)


def test_the_same_decision_looks_the_same() -> None:
    """Charts are made of draws, which have a seed of their own, and change none of the others."""
    space = Box(-1, 1, (2,))
    distribution = ScaledBeta(torch.full((1, 2), 2.0), torch.full((1, 2), 3.0), -torch.ones(2), torch.ones(2))
    torch.manual_seed(3)
    one, other = (rows(space, distribution, [[0.1, 0.2]])[1].heights for _ in range(2))
    assert np.array_equal(one, other)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))


def test_switches_have_a_bar_each() -> None:
    space = MultiBinary(2)
    distribution = Independent(Bernoulli(torch.tensor([[0.9, 0.25]])), 1)
    bars = rows(space, distribution, [[1.0, 0.0]])
    assert [bar.probability for bar in bars if isinstance(bar, Bar)] == pytest.approx([0.9, 0.25], abs=0.04)
    assert [(bar.label, bar.text) for bar in bars] == [("action[0]", "on"), ("action[1]", "off")]


COMPOSITE = Dict(
    arm=Tuple([Box(-1, 1, (2,)), Discrete(3, start=1)]),
    lamps=MultiBinary(2),
    wheels=MultiDiscrete([2, 300]),
)


def composite() -> Joint:
    return Joint(
        [
            DiagonalGaussian(torch.zeros(1, 2), torch.ones(1, 2), 1),
            Categorical(logits=LOGITS),
            Independent(Bernoulli(torch.full((1, 2), 0.5)), 1),
            Categorical(logits=torch.zeros(1, 2)),
            Categorical(logits=torch.arange(300.0).reshape(1, 300)),
        ]
    )


def test_every_component_of_a_composite_action_has_a_row() -> None:
    action = [[0.5, -0.5, 2.0, 1.0, 0.0, 1.0, 299.0]]
    shown = rows(COMPOSITE, composite(), action)
    names = ["arm[0][0]", "arm[0][1]", "arm[1]", "lamps[0]", "lamps[1]", "wheels[0]", "wheels[1]"]
    assert [row.label for row in shown] == names == list(row_names(COMPOSITE))
    assert [row.text for row in shown] == ["+0.50", "-0.50", "3", "on", "off", "1", "299"]
    choice, many = shown[2], shown[6]
    assert isinstance(choice, Chart)
    assert isinstance(many, Chart)
    assert choice.heights == pytest.approx(np.array([0.5, 0.2, 0.3]) / 0.5)
    assert choice.taken == pytest.approx(2.5 / 3)
    assert len(many.heights) == COLUMNS
    assert many.heights.argmax() == COLUMNS - 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_the_first_components_are_shown(limit: int) -> None:
    action = [[0.5, -0.5, 2.0, 1.0, 0.0, 1.0, 299.0]]
    assert ActionRows(COMPOSITE).total == 7
    shown, everything = rows(COMPOSITE, composite(), action, limit), rows(COMPOSITE, composite(), action)
    assert [row.label for row in shown] == [row.label for row in everything[:limit]]


def test_a_distribution_without_parts_is_drawn_from() -> None:
    """That of a composite head of the user's own."""

    class Hidden(Distribution):
        arg_constraints: Any = {}

        def sample(self, sample_shape: Any = ()) -> Tensor:
            return composite().sample(sample_shape)

    shown = rows(COMPOSITE, Hidden(torch.Size([1]), validate_args=False), [[0.5, -0.5, 2.0, 1.0, 0.0, 1.0, 299.0]])
    assert len(shown) == 7
    assert isinstance(shown[2], Chart)
    assert shown[2].heights == pytest.approx(np.array([0.5, 0.2, 0.3]) / 0.5, abs=0.1)


@pytest.mark.parametrize(
    ("space", "names"),
    [
        (Box(-1, 1, ()), ["action"]),
        (Box(-1, 1, (1,)), ["action"]),
        (Box(-1, 1, (2, 1)), ["action[0, 0]", "action[1, 0]"]),
        (Tuple([Discrete(2), Dict(a=Box(-1, 1, (1,)))]), ["action[0]", "action[1].a"]),
    ],
)
def test_numbers_are_named_by_keys_and_indices(space: Space, names: list[str]) -> None:
    assert list(row_names(space)) == names
