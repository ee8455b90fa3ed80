"""Atari-5 and Atari-10: a few games that predict the median of an agent over all 57."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ATARI_5 = {
    "ALE/BattleZone-v5": 0.38197512,
    "ALE/DoubleDunk-v5": 0.06790995,
    "ALE/NameThisGame-v5": 0.31080415,
    "ALE/Phoenix-v5": 0.12412619,
    "ALE/Qbert-v5": 0.08048518,
}
"""Weights of Aitchison, Sweetser and Hutter (2023), "Atari-5", arXiv:2210.02019. They are the least squares fit without
a constant to the 44 agents of ``dataset.csv`` in github.com/maitchison/Atari-5 (118cad5) that have all five games, as
its ``atari5.py`` makes it. Rounded they are those of the paper's appendix."""
ATARI_10 = {
    "ALE/Amidar-v5": 0.08246357,
    "ALE/Bowling-v5": 0.05590328,
    "ALE/Frostbite-v5": 0.06912573,
    "ALE/KungFuMaster-v5": 0.09861732,
    "ALE/Riverraid-v5": 0.04859429,
    "ALE/BattleZone-v5": 0.18882009,
    "ALE/DoubleDunk-v5": 0.08519154,
    "ALE/NameThisGame-v5": 0.12869696,
    "ALE/Phoenix-v5": 0.16432707,
    "ALE/Qbert-v5": 0.05922864,
}
"""The same for ten games, from 42 agents."""
SUBSETS = {"Atari-5": ATARI_5, "Atari-10": ATARI_10}


def predicted_median(weights: Sequence[float]) -> Callable[[Array], Array]:
    """The median over the 57 games that the games of a subset predict; 1 is human.

    ``log10(1 + 100 median) = sum_m w_m log10(1 + max(0, 100 mean_n(x[n, m])))``
    """

    def predicted(x: Array) -> Array:
        logarithms = np.log10(1 + np.maximum(0, 100 * x.mean(axis=-2)))
        return np.asarray((10 ** (logarithms @ np.array(weights)) - 1) / 100)

    return predicted
