"""What a search may change: options of ``fit``, each with the values that it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.yaml_strict import load_yaml

KEYS = ("low", "high", "log", "step", "int", "choices")
FORMS = (
    "{low: 0.9, high: 0.999}, {low: 1.0e-4, high: 1.0e-2, log: true}, {low: 2, high: 64, int: true} or "
    "{choices: [5, 10]}"
)


class Trial(Protocol):
    """What is needed of a trial of Optuna."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class Range:
    """The values of one option: a range of numbers, or choices.

    Attributes:
        option: Its name without dashes.
        low: Smallest number.
        high: Largest number.
        log: Whether factors count instead of differences.
        step: Distance of the numbers, or None.
        whole: Whether they are whole.
        choices: The values; then all else is without meaning.
    """

    option: str
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Trial) -> Any:
        """The value of a trial."""
        if self.choices:
            return trial.suggest_categorical(self.option, self.choices)
        if self.whole:
            step = int(self.step or 1)
            return trial.suggest_int(self.option, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(self.option, self.low, self.high, step=self.step, log=self.log)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values that are tried before the search: if ``fit`` takes them, it takes those between."""
        return self.choices or (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return (not self.whole or value == int(value)) and self.step is None


def read_space(file: Path) -> list[Range]:
    """The ranges of a file: YAML, option by option.

    Raises:
        ConfigError: It cannot be read, or an entry says no range; with the forms.
    """
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--space {str(file)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"--space {str(file)!r} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"--space {str(file)!r} must have a line for each option, such as model.gamma: {FORMS}.")
    return [_range(str(option).removeprefix("--"), entry) for option, entry in content.items()]


def _range(option: str, entry: Any) -> Range:
    name = f"--space: {option}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{name} must be one of {FORMS}.")
    if unknown := [str(key) for key in entry if key not in KEYS]:
        raise ConfigError(f"{name} has {unknown[0]!r}. It may be {FORMS}.{did_you_mean(unknown[0], KEYS)}")
    if "choices" in entry:
        choices = entry["choices"]
        plain = isinstance(choices, list) and all(isinstance(c, str | int | float | bool | None) for c in choices)
        if not plain or len(set(map(repr, choices))) < max(2, len(choices)) or len(entry) > 1:
            raise ConfigError(f"{name}: choices must be a list of different values, two or more, and nothing else.")
        return Range(option, choices=tuple(choices))
    low: Any = entry.get("low")
    high: Any = entry.get("high")
    whole, log, step = entry.get("int", False), entry.get("log", False), entry.get("step")
    numbers = [low, high] if step is None else [low, high, step]
    kind = int if whole is True else int | float
    if not isinstance(whole, bool) or not isinstance(log, bool):
        raise ConfigError(f"{name}: int and log must be true or false.")
    if not all(isinstance(n, kind) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        also = "whole numbers" if whole else "numbers (YAML takes 1.0e-4 for one, and not 1e-4)"
        raise ConfigError(f"{name}: low, high and step must be {also}: {FORMS}.")
    if not low < high or (log and low <= 0) or (step is not None and (step <= 0 or log)):
        raise ConfigError(f"{name} must have low below high; with log above zero and without step.")
    return Range(option, low, high, log, step, whole)


def as_options(values: dict[str, Any]) -> list[str]:
    """Values as options of the command line."""
    return [f"--{option}={_text(value)}" for option, value in values.items()]


def _text(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
