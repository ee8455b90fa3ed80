"""Does every head learn? One short training each, on a task whose best score is known."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from lit_a3c import (
    A3CBody,
    BetaHead,
    DictBody,
    GaussianHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from tests.dummy_envs import dummy
from tests.learning.trainings import recent_return, train

pytestmark = pytest.mark.learning


@pytest.mark.parametrize(
    ("head", "least"),
    [
        (functools.partial(GaussianHead, init_log_std=-0.5), -0.6),
        (StateDependentGaussianHead, -0.6),
        pytest.param(SphericalGaussianHead, -0.6, marks=pytest.mark.exhaustive),
        (SquashedGaussianHead, -1.0),
        (BetaHead, -1.2),
        pytest.param(MixtureHead, -1.0, marks=pytest.mark.exhaustive),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_continuous_heads_learn_the_identity(head: Any, least: float) -> None:
    """The return is at most 0, and at most -3.3 for any fixed action. The most likely action is near the one shown."""
    module = train(dummy("BoxIdentity"), 60_000, gamma=0.5, entropy_coef=0.0, lr=3e-3, head=head)
    shown = torch.linspace(-0.9, 0.9, 7)[:, None]
    with torch.no_grad():
        mode = module.policy(shown).distribution.mode
    assert (mode - shown).abs().max() < 0.25
    assert recent_return(module) > least


@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("Grid", 9.5, marks=pytest.mark.campaign),
        ("Buttons", 9.5),
        pytest.param("Car", 9.0, marks=pytest.mark.exhaustive),
        pytest.param("Robot", 8.5, marks=pytest.mark.exhaustive),
    ],
)
def test_every_component_of_an_action_is_learned(name: str, least: float) -> None:
    """Several choices, switches, and mixtures of both with Boxes.

    The return is at most 10, and 4.8 to 5.9 by chance.
    """
    module = train(dummy(name), 60_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > least


@pytest.mark.campaign
def test_parts_of_an_observation_are_taken_together() -> None:
    """The return is at most 10, and at most 5 for a policy that sees the image or the vector alone."""
    body = functools.partial(DictBody, image=A3CBody)
    module = train(dummy("Senses"), 30_000, gamma=0.5, entropy_coef=0.001, lr=3e-3, body=body)
    assert recent_return(module) > 9


def test_numbers_images_and_pairs_are_taken_together() -> None:
    """The return is at most 10, and at most 5 for a policy that lacks one of the three."""
    module = train(dummy("Clues"), 40_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > 7


@pytest.mark.campaign
def test_a_mixture_takes_both_sides() -> None:
    """The return is at most 5. A single Gaussian cannot have more than 0.7, whatever its mean and sigma."""
    options: dict[str, Any] = {"gamma": 0.5, "entropy_coef": 0.0, "lr": 3e-3}
    mixture = train(dummy("TwoSides"), 100_000, head=functools.partial(MixtureHead, num_components=2), **options)
    assert recent_return(mixture) > 3
    assert recent_return(train(dummy("TwoSides"), 50_000, **options)) < 1
