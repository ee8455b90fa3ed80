"""The best mean return of Blackjack-v1, exactly.

    python scripts/blackjack.py

Blackjack-v1 has the rules of Sutton and Barto (2018), example 5.1: cards are drawn with replacement, the dealer draws
up to 17, and a player with 21 in two cards wins unless the dealer has them, too. The best policy follows from the
values of all hands, of which there are few.
"""

from __future__ import annotations

from functools import cache

CARDS = {card: (4 if card == 10 else 1) / 13 for card in range(1, 11)}
"""Each card and its probability. Pictures count 10."""


def total(hard: int, ace: bool) -> int:
    """The sum of a hand. An ace counts 11 where that makes no more than 21.

    Args:
        hard: The sum with every ace as 1.
        ace: Whether there is one.
    """
    return hard + 10 if ace and hard <= 11 else hard


@cache
def dealer(hard: int, ace: bool, cards: int) -> dict[str, float]:
    """Probabilities of the dealer's results: ``17`` to ``21``, ``bust``, and ``natural`` for 21 in two cards."""
    now = total(hard, ace)
    if cards >= 2 and now >= 17:
        return {"natural" if (cards, now) == (2, 21) else "bust" if now > 21 else str(now): 1.0}
    results: dict[str, float] = {}
    for card, p in CARDS.items():
        for result, q in dealer(hard + card, ace or card == 1, cards + 1).items():
            results[result] = results.get(result, 0.0) + p * q
    return results


def stick(own: int, shown: int, natural: bool) -> float:
    """The mean return of a player who takes no more cards."""
    value = 0.0
    for result, p in dealer(shown, shown == 1, 1).items():
        if natural:
            value += p * (result != "natural")
        else:
            other = 0 if result == "bust" else 21 if result == "natural" else int(result)
            value += p * ((own > other) - (own < other))
    return value


@cache
def best(hard: int, ace: bool, shown: int, natural: bool = False) -> float:
    """The mean return of the best policy from a hand."""
    if total(hard, ace) > 21:
        return -1.0
    hit = sum(p * best(hard + card, ace or card == 1, shown) for card, p in CARDS.items())
    return max(hit, stick(total(hard, ace), shown, natural))


def best_mean() -> float:
    """The mean over all deals."""
    return sum(
        p * q * r * best(first + second, 1 in (first, second), shown, {first, second} == {1, 10})
        for first, p in CARDS.items()
        for second, q in CARDS.items()
        for shown, r in CARDS.items()
    )


if __name__ == "__main__":
    print(f"{best_mean():.4f}")
