"""What a user sees when a request cannot work or a run has failed: one message that contains the remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

MOST = 2**63 - 1
"""The largest number that an option takes: what counters and tensors can hold."""


class ConfigError(ValueError):
    """A choice of the user that cannot work. The command line prints the message alone and exits with code 2."""


class RunError(RuntimeError):
    """A run that has failed. The command line prints the message alone and exits with code 1."""


class EnvError(RunError):
    """An environment has raised an exception, or has returned what Gymnasium does not allow."""


def did_you_mean(given: str, allowed: Iterable[str], cutoff: float = 0.5) -> str:
    """``" Did you mean 'x'?"`` for the nearest of the allowed names, or an empty string when none is near.

    Args:
        given: What was typed; case does not count.
        allowed: The right names.
        cutoff: Least similarity, from 0 (anything) to 1 (the same).
    """
    names = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(given.lower(), names, n=1, cutoff=cutoff)
    return f" Did you mean {names[near[0]]!r}?" if near else ""


def check_number(
    name: str,
    value: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float | None = None,
    whole: bool = False,
) -> None:
    """Refuse a number outside ``low <= value <= high`` (``value > above`` where given).

    Raises:
        ConfigError: Not a number, not finite, not whole where it must be, out of bounds, or beyond 64 bits.
    """
    rule = []
    if above is not None:
        rule.append(f"above {above:g}")
    if low > -math.inf:
        rule.append(f"at least {low:g}")
    if high < math.inf:
        rule.append(f"at most {high:g}")
    if isinstance(value, int | float) and abs(value) > MOST and high > MOST:
        rule.append(f"at most {MOST:g}")
    kind = "a whole number" if whole else "a number"
    good = (
        isinstance(value, int if whole else (int, float))
        and not isinstance(value, bool)
        and low <= value <= high
        and abs(value) <= MOST
        and (above is None or value > above)
    )
    if not good:
        raise ConfigError(f"{name} {shortened(value)} must be {kind} {' and '.join(rule)}".rstrip() + ".")


def shortened(value: object) -> str:
    """A value as the user gave it, or its beginning."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return f"of {value.bit_length():,} bits" if isinstance(value, int) else type(value).__name__
    return text if len(text) <= 100 else f"{text[:60]}... ({len(text):,} characters)"


def check_choice(name: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a name outside the allowed ones.

    Raises:
        ConfigError: With the allowed names and the nearest.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise ConfigError(f"{name} {value!r} must be one of {', '.join(allowed)}.{did_you_mean(str(value), allowed)}")
