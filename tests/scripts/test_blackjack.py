"""The best mean return of Blackjack-v1, which ``scripts/blackjack.py`` computes, is that of play by these values."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

from tests.commands import ROOT

blackjack = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts/blackjack.py")))
HANDS = 20_000


def test_the_best_policy_earns_the_best_mean() -> None:
    """In Gymnasium's own environment, within four standard errors."""
    env, returns = gymnasium.make("Blackjack-v1"), []
    (own, shown, ace), _ = env.reset(seed=0)
    while len(returns) < HANDS:
        hard = own - 10 if ace else own
        hit = sum(p * blackjack.best(hard + card, ace or card == 1, shown) for card, p in blackjack.CARDS.items())
        action = int(hit > blackjack.stick(own, shown, natural=False))
        (own, shown, ace), reward, terminated, _, _ = env.step(action)
        if terminated:
            returns.append(float(reward))
            (own, shown, ace), _ = env.reset()
    error = 4 * np.std(returns) / HANDS**0.5
    assert blackjack.best_mean() == pytest.approx(np.mean(returns), abs=error)
    assert error < 0.03
