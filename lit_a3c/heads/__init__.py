"""Action heads: features to a distribution over actions.

A head is made from the number of features and the action space alone, so that a class path in a recipe is all it
takes to plug in another. What it returns needs ``sample()``, ``mode``, ``log_prob(action)`` and ``entropy()``, the
last two already summed over the components of one action.
"""

from lit_a3c.heads.base import ActionHead
from lit_a3c.heads.box import (
    BetaHead,
    GaussianHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from lit_a3c.heads.discrete import BernoulliHead, CategoricalHead
from lit_a3c.heads.joint import JointHead, default_head

__all__ = [
    "ActionHead",
    "BernoulliHead",
    "BetaHead",
    "CategoricalHead",
    "GaussianHead",
    "JointHead",
    "MixtureHead",
    "SphericalGaussianHead",
    "SquashedGaussianHead",
    "StateDependentGaussianHead",
    "default_head",
]
