"""jsonargparse's messages, which explain its types, in the words of who typed the option."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable

from jsonargparse import ArgumentParser

from lit_a3c.errors import did_you_mean

PUBLIC_MODULES = (
    "lit_a3c",
    "lit_a3c.callbacks.checkpoint",
    "lit_a3c.callbacks.video",
    "lightning.pytorch.callbacks",
    "torch.optim",
)
"""Where the classes that options name usually live."""
KINDS = {"model.body": "Body", "model.head": "ActionHead", "model.optimizer": "Optimizer"}


def explain(message: str, parser: ArgumentParser) -> str:
    """One line: the option, what was given, what is allowed, and the nearest right name.

    Args:
        message: What jsonargparse says.
        parser: Whose options are meant.
    """
    lines = message.strip().splitlines() or ["the options cannot be read"]
    key = ".".join(re.findall(r'Parser key "([^"]+)"', message))
    if given := _unknown_option(message, key):
        return f"there is no option {given!r}.{did_you_mean(given, _options(parser), cutoff=0.6)}"
    if not key:
        return lines[0][:200]
    if path := re.search(r"Expected a (?:dot import path string: |path but )(\S+)", message):
        near = did_you_mean(path[1].rpartition(".")[2], _public_names(), cutoff=0.7)
        return f"{key} {path[1]!r} is no {KINDS.get(key, 'class')} that can be imported.{near}"
    value = re.search(r"(?:Got value|Given value): (.*)", message)
    allowed = _allowed(message)
    if value is None or not allowed:
        return f"{key}: {lines[-1].strip(' -')[:200]}"
    given = value[1].strip().strip("'")
    near = did_you_mean(given, allowed)
    return f"{key} {given!r} must be {' or '.join(dict.fromkeys(allowed))}.{near}"


def _unknown_option(message: str, key: str) -> str | None:
    """The option that does not exist, if that is the complaint: of the command line, a recipe, or a class at a key."""
    if typed := re.search(r"unrecognized arguments: (--?[^\s=]+)", message):
        return typed[1]
    if in_recipe := re.search(r"does not accept option '([^']+)'", message):
        return f"--{in_recipe[1]}"
    if of_class := re.search(r"Option '([^']+)' is not accepted", message):
        return f"--{key}.{of_class[1]}"
    return None


def _allowed(message: str) -> list[str]:
    """The types and literals that a message expects, in plain words."""
    words = {
        "int": "a whole number",
        "float": "a finite number",
        "bool": "true or false",
        "str": "text",
        "dict": "a mapping such as {key: value}",
        "list": "a list such as [1, 2]",
        "NoneType": "null",
    }
    allowed: list[str] = []
    for line in re.findall(r"Expected a (.*)", message):
        if kind := re.match(r"<class '([\w.]+)'>", line):
            allowed.append(words.get(kind[1], kind[1].rpartition(".")[2]))
        elif literals := re.match(r"typing\.Literal\[([^\]]*)\]", line):
            allowed += [literal.strip(" '") for literal in literals[1].split(",")]
    return allowed


def _options(parser: ArgumentParser) -> Iterable[str]:
    """Every option of a parser and of its subcommands, and of the classes that its recipes name."""
    options = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(choices := getattr(action, "choices", None), dict):
            for sub in choices.values():
                if isinstance(sub, ArgumentParser):
                    options.update(_options(sub))
    nested = {
        "--model.optimizer": ("lr", "alpha", "eps", "initial_square"),
        "--model.body": ("hidden", "activation", "normalize"),
        "--model.head": ("init_log_std",),
        "--data.atari": _atari_options(),
        "--trainer.logger": ("name", "version", "save_dir"),
    }
    return options | {f"{key}.{name}" for key, names in nested.items() for name in names}


def _atari_options() -> tuple[str, ...]:
    from lit_a3c.envs import AtariOptions

    return tuple(AtariOptions.__dataclass_fields__)


def _public_names() -> list[str]:
    return [name for module in PUBLIC_MODULES for name in dir(importlib.import_module(module)) if name[0].isupper()]
