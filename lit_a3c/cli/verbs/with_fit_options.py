"""Commands that have options of their own and take those of ``fit`` or ``predict`` as well."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lit_a3c.cli.spelling import SECTIONS, check_spelling
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.engines.processes import default_workers
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.options import CLASSES, by_option
from lit_a3c.utils.paths import user_path

TOP_LEVEL = ("seed_everything", "engine", "num_workers", "config", "init_from", "trust_checkpoint", *SECTIONS)
"""Options of ``fit`` without a dot."""
DECIDED = {
    "ckpt_path": "Runs go on by themselves where they were.",
    "trust_checkpoint": "It is for a checkpoint that is continued.",
    "print_config": "Use it with lit-a3c fit.",
    "trainer.logger": "The directories of the runs are below --directory.",
    "trainer.logger.save_dir": "The directories of the runs are below --directory.",
    "trainer.logger.name": "The directories of the runs are below --directory.",
    "trainer.logger.version": "The directories of the runs are below --directory.",
}
"""Options of ``fit`` that cannot be given, each with why."""


class PassingParser(VerbParser):
    """A parser that leaves the options of another command to it, in ``other_options``.

    Args:
        name: The command.
        description: What it does.
        other: The other command.
        arguments: What stands first on the command line, for its usage.
        decided: Options of the other command that cannot be given, each with what to do instead.
    """

    def __init__(self, name: str, description: str, other: str, arguments: str, decided: dict[str, str]) -> None:
        usage = f"lit-a3c {name} {arguments} [options] [options of {other}]"
        super().__init__(name, description, usage=usage)
        self._other, self._decided = other, decided

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments.

        Raises:
            ConfigError: One of them is unknown or has no such value.
        """
        own, others = self._split(list(args or []))
        parsed = super().parse_args(own, namespace)
        parsed.other_options = others
        return parsed

    def _split(self, arguments: list[str]) -> tuple[list[str], list[str]]:
        """The arguments of this command, and those of ``fit``. Values belong to the option before them."""
        names = [name for action in self._actions for name in action.option_strings]
        own: list[str] = []
        others: list[str] = []
        target = own
        for argument in arguments:
            if argument.startswith("--") or argument in ("-h", "-c"):
                name = argument.partition("=")[0]
                target = own if name in names else others
                if target is others:
                    self._check(name, names)
            target.append(argument)
        check_spelling(others)
        return own, others

    def _check(self, name: str, names: list[str]) -> None:
        bare = name.lstrip("-").removesuffix("+")
        if bare in self._decided:
            raise ConfigError(f"{self.prog} takes no {name}. {self._decided[bare]}")
        if "." not in bare and bare not in (*TOP_LEVEL, "c"):
            near = did_you_mean(name, [*names, *(f"--{option}" for option in TOP_LEVEL)])
            raise ConfigError(f"neither {self.prog} nor lit-a3c {self._other} has an option {name!r}.{near}")


class FitOptionsParser(PassingParser):
    """``lit-a3c VERB CONFIG [own options] [options of fit]``.

    Args:
        name: The command.
        description: What it does.
        decided: Options of ``fit`` that cannot be given, beside :data:`DECIDED`, each with what to do instead.
    """

    def __init__(self, name: str, description: str, decided: dict[str, str]) -> None:
        super().__init__(name, description, "fit", "CONFIG", DECIDED | decided)
        self.add_argument("config", metavar="CONFIG", help="a config of fit, by name or as a file; it comes first")


def seeds(given: Iterable[str], option: str) -> list[int]:
    """Seeds as they are written: ``0 1 2`` or ``0..4``, which has both ends.

    Raises:
        ConfigError: Something else, or a seed twice.
    """
    found: list[int] = []
    for text in given:
        match = re.fullmatch(r"(\d{1,10})(?:\.\.(\d{1,10}))?", text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < 2**32 or last - first > 10_000:
            raise ConfigError(f"{option} {text!r} must be seeds, whole numbers such as 0 1 2, or a range such as 0..4.")
        found += range(first, last + 1)
    if twice := sorted({seed for seed in found if found.count(seed) > 1}):
        raise ConfigError(f"{option} has the seed {twice[0]} twice.")
    return found


def count(text: str) -> int:
    """A whole number, 1 or more, as a type of ``argparse``."""
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def parallel(text: str) -> int | None:
    """``auto`` (None) or a whole number, as a type of ``argparse``."""
    return None if text == "auto" else count(text)


def workers_of(config: dict[str, Any], cores: int, at_once: int | None) -> tuple[int, int]:
    """The workers of a run, and the runs that are made at a time.

    Args:
        config: The whole config of ``fit``.
        cores: Of this machine.
        at_once: Runs at a time; None as many as have room.
    """
    workers = config["num_workers"]
    if workers == "auto":
        workers = 1 if config["engine"] == "serial" else min(default_workers(), max(1, cores // (at_once or 1)))
    return workers, at_once or max(1, cores // workers)


def directory_of(given: str | None, parent: str, config: str) -> Path:
    """The directory of a sweep or a search: the one that the user gives, or ``runs/PARENT/CONFIG``.

    Raises:
        ConfigError: It cannot be used.
    """
    path = user_path(given if given is not None else str(Path("runs", parent, Path(config).stem)), "--directory")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"--directory {str(path)!r} is no directory.")
    return path


def first_difference(before: dict[str, Any], now: dict[str, Any], ignored: Iterable[str]) -> str | None:
    """The first option in which two configs differ, with both values; None where they are the same.

    Args:
        before: A config of ``fit``.
        now: Another one.
        ignored: Options that may differ.
    """
    old, new = (dict(by_option(config, whole=CLASSES)) for config in (before, now))
    for name in sorted(old.keys() & new.keys() - set(ignored)):
        if old[name] != new[name]:
            return f"{name} was {old[name]!r} and is {new[name]!r} now"
    return None


def value_of(config: dict[str, Any], option: str) -> Any:
    """The value of an option such as ``model.optimizer.lr`` in a config; None where it has none."""
    value: Any = config
    for name in option.split("."):
        if isinstance(value, dict) and "class_path" in value and name != "class_path":
            value = value.get("init_args")
        value = value.get(name) if isinstance(value, dict) else None
    return value
