"""What is not finite is refused and named."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from lit_a3c.envs import EnvConfig
from lit_a3c.utils.finite import NotFiniteError, check_gradients, check_loss, check_step
from tests.dummy_envs import dummy

NAN, INFINITY = float("nan"), float("inf")


def test_finite_steps_pass() -> None:
    """Floats are looked at, and bytes cannot be anything else."""
    check_step(np.zeros((3, 5), np.float32), np.zeros(3))
    check_step(np.zeros((3, 4, 84, 84), np.uint8))


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("what", ["observation", "reward"])
def test_the_place_is_named(what: str, value: float) -> None:
    """The message has the value and the index of the environment."""
    observation, reward = np.zeros((3, 5), np.float32), np.zeros(3)
    (observation if what == "observation" else reward)[1] = value
    with pytest.raises(NotFiniteError, match=rf"the {what} is {value}( \(single precision .*\))? in environment 1"):
        check_step(observation, reward)


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_single_precision_is_the_limit(what: str) -> None:
    """Its largest number passes. The next one would be infinite for every policy."""
    observation, reward = np.zeros((3, 5)), np.zeros(3)
    values = observation if what == "observation" else reward
    values[1] = np.finfo(np.float32).max
    check_step(observation, reward)
    values[1] *= -1.1
    with pytest.raises(NotFiniteError, match=rf"the {what} is -3.74311e\+38 \(single precision ends .* environment 1"):
        check_step(observation, reward)


@pytest.mark.parametrize(("what", "at"), [("observation", 2), ("observation", 7), ("reward", 3)])
def test_an_environment_is_refused_in_the_step_itself(what: str, at: int) -> None:
    """Nothing acts on what it returned."""
    env = EnvConfig(dummy("Poisoned"), kwargs={"what": what, "at": at}).make(2, seed=0, training=True)
    state = env.torchrl.reset()
    for step in range(1, at + 1):
        state["action"] = torch.zeros(2, dtype=torch.int64)
        with pytest.raises(NotFiniteError, match=f"the {what} is nan") if step == at else contextlib.nullcontext():
            _, state = env.torchrl.step_and_maybe_reset(state)


def test_losses_are_named() -> None:
    """The message has the first term that is not finite, or the whole where all terms are."""
    fine, bad = torch.tensor(1.0), torch.tensor(INFINITY)
    check_loss(fine, {"policy loss": fine})
    with pytest.raises(NotFiniteError, match="the value loss is inf"):
        check_loss(bad, {"policy loss": fine, "value loss": bad})
    with pytest.raises(NotFiniteError, match="the loss is inf"):
        check_loss(bad, {"policy loss": fine})


def test_gradients_are_named() -> None:
    """The message has the first parameter whose gradient is not finite, or the norm where all gradients are."""
    gradients = {"a": torch.ones(2), "b": None, "c": torch.tensor([1.0, NAN])}
    check_gradients(torch.tensor(1.0), gradients.items())
    with pytest.raises(NotFiniteError, match="the gradient of c is not finite"):
        check_gradients(torch.tensor(NAN), gradients.items())
    with pytest.raises(NotFiniteError, match="norm inf"):
        check_gradients(torch.tensor(INFINITY), [("a", torch.ones(2))])
