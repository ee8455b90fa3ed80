"""The help of a command: what a user needs first, and with ``--help-all`` everything that the parser knows."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Literal

from lit_a3c.cli.commands import COMMANDS
from lit_a3c.cli.help_texts import ALWAYS, BORROWED, ORDER, SOME_COMMANDS, TITLES, TRAINING_ONLY, WORDS
from lit_a3c.utils import compat_parser


class HelpAll(argparse.Action):
    """``--help-all``: every option."""

    def __init__(self, option_strings: list[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.exit(message=help_of(parser, parser.prog.split()[-1], full=True))


def help_of(parser: Any, command: str, *, full: bool = False) -> str:
    """The help of a command, at most as wide as the terminal.

    Args:
        parser: The parser of the command.
        command: Its name.
        full: Whether to show what few users need.
    """
    about = [f"`lit-a3c {command} --model.body.help MLPBody` lists the options of a class."]
    if not full:
        about.append(f"`lit-a3c {command} --help-all` lists every option, also the rest of Lightning's.")
    page = _page(usage=f"lit-a3c {command} [options]", description=COMMANDS[command], epilog="\n".join(about))
    sections: dict[str, list[argparse.Action]] = {"": [], "data": [], "model": []}
    for action in compat_parser.actions_of(parser):
        if _is_shown(action, command, full=full):
            section = action.dest.rpartition(".")[0].partition(".")[0]
            sections.setdefault(section, []).append(action)
    sections[""].sort(key=lambda action: ORDER.index(action.dest if action.dest in ORDER else ""))
    sections["trainer"] = sections.pop("trainer", [])  # last
    for section, actions in sections.items():
        group = page.add_argument_group(section or "options", _title(section, parser) if section else None)
        for action in actions:
            _add(group, action, full=full)
    return page.format_help()


def is_of_a_command(parser: Any) -> bool:
    """Whether a parser is that of a command, and not that of a class."""
    return "trainer" in (parser.groups or {})


def class_help_of(parser: Any) -> str:
    """The help of the options of a class: ``--model.body.help MLPBody``.

    Args:
        parser: The parser of the class.
    """
    page = _page(usage=argparse.SUPPRESS)
    for section in parser.groups or {}:
        group = page.add_argument_group(section, _title(section, parser))
        for action in compat_parser.actions_of(parser):
            if is_option(action) and action.dest.rpartition(".")[0] == section:
                _add(group, action, full=True)
    return page.format_help()


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 100) - 2


def _title(section: str, parser: Any) -> str:
    """What a section is, in its lines: the docstring of its class."""
    title = plain(TITLES.get(section) or parser.groups[section].title).rstrip(".")
    return textwrap.fill(f"{title}.", _width() - 2)


def _page(**kwargs: Any) -> argparse.ArgumentParser:
    kind = functools.partial(argparse.RawDescriptionHelpFormatter, width=_width(), max_help_position=22)
    return argparse.ArgumentParser(add_help=False, formatter_class=kind, **kwargs)


def is_option(action: argparse.Action) -> bool:
    """Whether an action is neither a link between options, nor a section as a whole, nor the help of an option."""
    names = action.option_strings
    return bool(names) and names[0].startswith("-") and ".help" not in names[0] and action.metavar != "CONFIG"


def _is_shown(action: argparse.Action, command: str, *, full: bool) -> bool:
    section = action.dest.partition(".")[0]
    if not is_option(action):
        return False
    if full:
        return True
    if {action.dest, section} & set(BORROWED) and action.dest not in WORDS:
        return False
    if not {action.dest, section} & set(SOME_COMMANDS) <= {
        name for name, those in SOME_COMMANDS.items() if command in those
    }:
        return False
    return command == "fit" or action.dest in ALWAYS or not {action.dest, section} & set(TRAINING_ONLY)


def _add(group: Any, action: argparse.Action, *, full: bool) -> None:
    """Put an option on the page, with its default, and with the classes that it may name."""
    names = [name for name in action.option_strings if not name.endswith("+")]
    key = "help_all" if isinstance(action, HelpAll) else action.dest
    text = [plain(WORDS.get(key) or action.help or "")]
    if action.dest.partition(".")[0] in BORROWED:
        text[0] = re.sub(r" (Default:|By default it is|Defaults to) \S+$", "", text[0])  # ours may be another one
    classes = compat_parser.accepted_classes(action)
    every = full and action.dest != "data.env_id"  # whose classes are all wrappers that are imported
    chosen = [cls.__name__ for path, cls in classes.subclasses.items() if every or is_ours(path)]
    if chosen:
        text.append(f"Classes: {', '.join(dict.fromkeys(chosen))}.")
    if any(map(dataclasses.is_dataclass, classes.types)):
        text.append(f"Its options: {names[0]}.help.")
    if action.nargs != 0 and (default := _default(action.default)):
        text.append(f"(default: {default})")
    is_flag = action.nargs == 0 or action.dest == "print_config"
    kind: dict[str, Any] = {"action": "store_true"} if is_flag else {"metavar": _metavar(action)}
    group.add_argument(*names, help=" ".join(text).replace("%", "%%"), **kind)


def _default(value: Any) -> str:
    """A default as the command line takes it; empty where there is none to tell."""
    if hasattr(value, "get") and "class_path" in value:
        value = value["class_path"]
    if isinstance(value, Enum):
        value = value.value
    if value is None or value == argparse.SUPPRESS or (isinstance(value, str) and value.endswith(_IN_ITS_HELP)):
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str)


_IN_ITS_HELP = (".default_body", ".default_head")
"""Defaults that are functions of the spaces."""


def _metavar(action: argparse.Action) -> str:
    """What stands for the value of an option: its type or its choices, or the option's own name where it is text."""
    words = "|".join(dict.fromkeys(kinds(compat_parser.type_hint_of(action)))).replace("true|false", "BOOL")
    return words if words and "TEXT" not in words and len(words) < 30 else action.dest.rpartition(".")[2].upper()


def kinds(hint: Any) -> list[str]:
    """What a user may write for a type, in capitals where something is to be put in its place: ``["INT", "auto"]``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return [kind for argument in arguments for kind in kinds(argument)]
    if origin is Literal:
        return [str(argument) for argument in arguments]
    if dataclasses.is_dataclass(hint):
        return ["MAPPING"]
    names = {int: "INT", float: "NUMBER", str: "TEXT", timedelta: "TEXT", Any: "TEXT", None: "TEXT", dict: "MAPPING"}
    lists = (list, tuple, Sequence, Iterable)
    if hint is bool or hint is types.NoneType:
        return ["true", "false"] if hint is bool else []
    return ["LIST" if {hint, origin} & set(lists) else names.get(hint) or names.get(origin or hint) or "CLASS"]


def is_ours(path: str) -> bool:
    """Whether a class is of the public face of this package, by its import path."""
    return re.fullmatch(r"lit_a3c\.\w+", path) is not None


def plain(text: str) -> str:
    """Without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", text)
    return " ".join(re.sub(r"\s*\.\. \w+::", "", text).replace("`", "").split())
