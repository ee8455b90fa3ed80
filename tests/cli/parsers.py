"""The parsers of the command line, without a run."""

from __future__ import annotations

from typing import Any

from lit_a3c.cli.lightning_cli import A3CCLI
from lit_a3c.utils import compat_parser


class _Parser(A3CCLI):
    def __init__(self, command: str) -> None:
        self.found: Any = None
        super().__init__([command, "--help"])

    def parse_arguments(self, parser: Any, args: Any) -> None:
        raise StopIteration(next(a.choices for a in compat_parser.actions_of(parser) if isinstance(a.choices, dict)))


def parser_of(command: str) -> Any:
    """The parser of a command."""
    try:
        _Parser(command)
    except StopIteration as stop:
        return stop.value[command]
    raise AssertionError(command)


def options_of(parser: Any) -> list[str]:
    """Its options, without links, sections as a whole, and the help of options."""
    actions = (action for action in compat_parser.actions_of(parser) if action.metavar != "CONFIG")
    options = [name for action in actions for name in action.option_strings if name.startswith("--")]
    return [option for option in options if not option.endswith((".help", "+"))]
