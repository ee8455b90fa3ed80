"""What is not finite is refused and named; what is not valid is not looked at."""

import dataclasses

import pytest
import torch

from lit_a3c.guard import NotFiniteError, check_gradients, check_losses, check_rollout
from lit_a3c.rollout import Rollout

T, B, F = 4, 3, 5
NAN, INFINITY = float("nan"), float("inf")


def rollout() -> Rollout:
    """All finite; next observations that are not valid hold rubbish, as shared memory may."""
    none = torch.zeros(T, B, dtype=torch.bool)
    truncated = none.clone()
    truncated[1, 2] = True
    after = torch.full((T, B, F), NAN)
    after[-1] = after[1, 2] = 0
    return Rollout(torch.zeros(T, B, F), torch.zeros(T, B), torch.zeros(T, B), none, truncated, after)


def test_finite_rollouts_pass() -> None:
    check_rollout(rollout())
    pictures = torch.zeros(T, B, 1, 2, 2, dtype=torch.uint8)
    check_rollout(dataclasses.replace(rollout(), observation=pictures, next_observation=pictures))


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize(
    ("field", "name", "step", "env"),
    [
        ("observation", "observation", 0, 1),
        ("reward", "reward", 2, 0),
        ("next_observation", "observation after the step", 3, 1),
        ("next_observation", "observation after the step", 1, 2),
    ],
)
def test_the_place_is_named(field: str, name: str, step: int, env: int, value: float) -> None:
    bad = rollout()
    getattr(bad, field)[step, env].fill_(value)
    with pytest.raises(NotFiniteError, match=rf"the {name} is {value} in environment {env} .* step {step}"):
        check_rollout(bad)


def test_losses_are_named() -> None:
    check_losses({"policy loss": torch.tensor(1.0)})
    with pytest.raises(NotFiniteError, match="the value loss is inf"):
        check_losses({"policy loss": torch.tensor(1.0), "value loss": torch.tensor(INFINITY)})


def test_gradients_are_named() -> None:
    gradients = {"a": torch.ones(2), "b": None, "c": torch.tensor([1.0, NAN])}
    check_gradients(torch.tensor(1.0), gradients.items())
    with pytest.raises(NotFiniteError, match="the gradient of c is not finite"):
        check_gradients(torch.tensor(NAN), gradients.items())
    with pytest.raises(NotFiniteError, match="norm inf"):
        check_gradients(torch.tensor(INFINITY), [("a", torch.ones(2))])
