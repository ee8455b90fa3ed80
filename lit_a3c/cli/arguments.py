"""What the parsers of commands have beside jsonargparse's own: strict YAML, answers, and ``--debug``."""

from __future__ import annotations

import argparse
from enum import Enum
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

from lit_a3c.utils.yaml_strict import check_yaml

STRICT_YAML = "strict_yaml"
"""The parser mode in which a value or a config that has a key twice is refused."""


def _load(text: str) -> Any:
    check_yaml(text)
    return get_loader("yaml")(text)


set_loader(STRICT_YAML, _load, exceptions=(yaml.YAMLError,))
# Lightning's Timer has a member of an enumeration as a default. jsonargparse writes what is annotated as text as it is.
yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, member: dumper.represent_data(member.value))


class Answered(SystemExit):
    """The request was a question (``--help``, ``--print_config``), and a parser has answered it."""


class Debug(argparse.Action):
    """``--debug`` in the help of a command. The entry point has taken it off the arguments before they are parsed."""

    def __init__(self, option_strings: list[str], dest: str, **kwargs: Any) -> None:
        kwargs |= {"nargs": 0, "default": argparse.SUPPRESS}
        super().__init__(option_strings, argparse.SUPPRESS, **kwargs)

    def __call__(self, *_: Any) -> None:
        pass
