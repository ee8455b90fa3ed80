"""The parser of the commands after training."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from lit_a3c.cli.arguments import Answered
from lit_a3c.utils.errors import ConfigError, did_you_mean


class VerbParser(argparse.ArgumentParser):
    """The parser of a command: what it refuses is one message, and a misspelt option gets the nearest right one.

    Args:
        name: The command.
        description: What it does.
        kwargs: Those of ``argparse.ArgumentParser``.
    """

    def __init__(self, name: str, description: str, **kwargs: Any) -> None:
        self._name = name
        super().__init__(prog=f"lit-a3c {name}", description=description, allow_abbrev=False, **kwargs)
        self.add_argument("--debug", action="store_true", help="with every error of one line its traceback")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments.

        Raises:
            ConfigError: One of them is unknown or has no such value.
        """
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            near = did_you_mean(name, [option for action in self._actions for option in action.option_strings])
            kind = "option" if name.startswith("-") else "argument"
            raise ConfigError(f"{self._name} has no {kind} {name!r}.{near}")
        return parsed

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self._name}: {message}.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Answered(status)
