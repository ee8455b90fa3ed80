"""What jsonargparse refuses, in the words of who typed it: the option, the rule, and the nearest that is accepted.

jsonargparse parses the options of a class that a config names (``model.body``, ``trainer.logger``) with a parser made
from the signature of that class. Each parser here explains its own refusals, so a suggestion is always something that
the chosen class accepts. A parser that quotes the refusal of an inner one adds the key that leads there.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib.util
import inspect
import re
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from lit_a3c.cli.arguments import STRICT_YAML, Answered
from lit_a3c.cli.class_errors import is_accepted
from lit_a3c.cli.help import class_help_of, help_of, is_of_a_command
from lit_a3c.cli.spelling import nearest
from lit_a3c.envs.packages import missing
from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError, did_you_mean

AT = "{at}"
"""Stands in an explanation for the keys that lead to the parser which gives it, for example ``model.body.``."""
IN_WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "str": "text",
    "dict": "a mapping such as {key: value}",
    "list": "a list such as [1, 2]",
    "Sequence": "a list such as [1, 2]",
    "tuple": "a list such as [1, 2]",
    "Iterable": "a list",
    "NoneType": "null",
}
"""What a user may write for a type."""
PLAIN = r"^[ -]*Expected (?:a )?(?:<class '(?:int|float|tuple)'>|tuple with)"
"""How a message begins that is about a number or a tuple of them, although a class, ``Tensor``, is accepted as well."""


class ParseError(ConfigError):
    """A refusal by a parser. Its text has ``AT`` in it, because an outer parser may quote it."""


class Parser(LightningArgumentParser):
    """A parser that explains what it refuses in one line, and that takes no abbreviated option for another."""

    class_name = ""
    """The class whose parameters are the options of this parser; empty for the parser of a command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "parser_mode": STRICT_YAML, **kwargs})

    def add_class_arguments(self, theclass: type, nested_key: str | None = None, *args: Any, **kwargs: Any) -> Any:
        added = super().add_class_arguments(theclass, nested_key, *args, **kwargs)
        if nested_key is None:
            self.class_name = theclass.__name__
        return added

    def format_help(self, formatter: argparse.HelpFormatter | None = None) -> str:
        return help_of(self, self.prog.split()[-1]) if is_of_a_command(self) else class_help_of(self)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End after an answer.

        Raises:
            Answered: Always.
        """
        print(message or "", end="")
        raise Answered(status)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Refuse what was given.

        Raises:
            ParseError: Always.
        """
        raise ParseError(_describe(message, self)) from ex


def format_parse_error(error: ParseError) -> str:
    """The explanation of the outermost parser: one line."""
    return str(error).replace(AT, "")


def _describe(message: str, parser: Parser) -> str:
    """One line: the option, what was given, what is allowed, and the nearest right name.

    Args:
        message: What jsonargparse says.
        parser: The parser that says it.
    """
    message = message.strip().removeprefix('Parser key "config": ')  # the option that named the file
    found = re.match(r'Parser key "([^"]+)"', message)
    if found is None:
        return _refused_option(message, parser)
    key = found[1]
    actions = (action for action in compat_parser.actions_of(parser) if action.dest == key)
    classes = compat_parser.accepted_classes(next(actions, None))
    if quoted := re.search(rf"^[ -]*(.*{re.escape(AT)}.*)$", message, re.MULTILINE):
        unknown = re.match(rf"(there is no option '--{re.escape(AT)}(\w+)' of \w+\.)( Its options: .*)?$", quoted[1])
        owners = _owners(unknown[2], classes) if unknown else ""
        explanation = unknown[1] if unknown and owners else quoted[1]
        return explanation.replace(AT, f"{AT}{key}.") + owners
    if nested := re.search(r"NestedArg\(key='([^']+)'", message):
        refused = f"there is no option '--{AT}{key}.{nested[1]}' before '--{AT}{key}' names a class."
        return refused + _owners(nested[1], classes)
    return _refused_value(message, key, classes)


# Options


def _refused_option(message: str, parser: Parser) -> str:
    """A parser's complaint that is not about the value of one of its options."""
    if missing := re.search(r"arguments are required: (.*)", message):
        commands = "|".join(_commands(parser))
        names = [re.sub(rf"^({commands})\.", "", name) for name in missing[1].split(", ")]
        return "missing: " + ", ".join(f"'--{AT}{name}'" for name in names)
    if key := re.match(r"Key must be a string, got: (.*)\.$", message):
        return f"a key of a config must be the name of an option, and one is {key[1]} (YAML takes on and yes for True)."
    if linked := re.match(r"argument (\S+) --> (\S+):", message):
        return f"there is no option '--{AT}{linked[2]}': its value is that of {AT}{linked[1]}."
    unknown = re.search(r"unrecognized arguments: --([^\s=]+)|accept option '([^']+)'|Option '([^']+)' is not", message)
    if unknown is None:
        return message.splitlines()[0][:200]
    given = next(filter(None, unknown.groups()))
    if parser.class_name and given == "class_path":  # then the mapping that has it was not taken for a class
        return f"beside '--{AT}class_path' there may be '--{AT}init_args' and nothing else."
    options = _options(parser)
    refused = f"there is no option '--{AT}{given}'" + (f" of {parser.class_name}." if parser.class_name else ".")
    if near := nearest(given, options):
        return f"{refused} Did you mean '--{AT}{near}'?"
    own = sorted({option.partition(".")[0] for option in options} - {"class_path", "init_args", "help"})
    return f"{refused} Its options: {', '.join(own)}." if parser.class_name and own else refused


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of its commands, without dashes."""
    options = {"class_path", "init_args"} if getattr(parser, "class_name", "") else set()
    for action in compat_parser.actions_of(parser):
        names = {name.removeprefix("--") for name in action.option_strings if name.startswith("--")}
        options |= {name for name in names if not name.endswith((".help", "+"))}
    return options.union(*map(_options, _commands(parser).values()))


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands of a parser."""
    choices = (action.choices for action in compat_parser.actions_of(parser) if isinstance(action.choices, dict))
    return next(choices, {})


def _owners(option: str, classes: compat_parser.AcceptedClasses) -> str:
    """The classes that could be chosen instead, and that have such an option."""
    owners = [cls.__name__ for cls in classes.subclasses.values() if option in inspect.signature(cls).parameters]
    return f" Classes that have it: {', '.join(owners)}." if owners else ""


def _no_module(path: str) -> str:
    """What to install, or what is wrong, where the package of a class is not there."""
    package, dot, _ = path.partition(".")
    if not dot or not package.isidentifier() or importlib.util.find_spec(package) is not None:
        return ""
    return f" {missing(ModuleNotFoundError(name=package)) or f'There is no module {package!r}'}."


# Values


def _refused_value(message: str, key: str, classes: compat_parser.AcceptedClasses) -> str:
    """The complaint about the value of an option."""
    name = f"{AT}{key}"
    if several := re.search(r"Multiple subclasses with name (\w+)\..*?: (.*?)\.?$", message, re.MULTILINE):
        return f"{name} {several[1]!r} is the name of several classes. Give a path: {several[2]}."
    value = re.search(r"G(?:ot|iven) value: ?(.*)|Unable to load config ['\"](.*)['\"]", message)
    path = _class_path(message)
    if path is None and value:
        path = value[1]
    if classes.subclasses and path is not None and not re.search(PLAIN, message, re.MULTILINE):
        if is_accepted(path, classes):
            return f"{name} {path!r} must stand in a list: [{path}]."
        kinds = " or ".join(dict.fromkeys(cls.__name__ for cls in classes.types))
        why = _no_module(path) + _near_class(path, classes)
        return f"{name} {path!r} is no {kinds} that can be imported.{why}"
    allowed = _allowed(message)
    if "Unable to load config" in message or any(map(dataclasses.is_dataclass, classes.types)):
        allowed.insert(0, "a mapping of its options")
    if value is None or not allowed:
        return f"{name}: {message.splitlines()[-1].strip(' -')[:200]}"
    given = next(filter(None, value.groups()), "").strip().strip("'")
    near = did_you_mean(given, _literals(message), cutoff=0.6)
    return f"{name} {given!r} must be {' or '.join(dict.fromkeys(allowed))}.{near}"


def _class_path(message: str) -> str | None:
    """The class path that cannot be used, where the complaint is about one."""
    for pattern in (
        r"given class_path '([^']+)'",
        r"Not a valid subclass of \w+\. Got value: ([\w.]+)$",
        r"dot import path string: ?(\S*)",
        r"Import path (\S+) does not correspond",
        r"class_path'?[=:] ?'([^']+)'",
        r"Expected a path but (\S+) either",
    ):
        if found := re.search(pattern, message, re.MULTILINE):
            return found[1]
    return None


def _near_class(path: str, classes: compat_parser.AcceptedClasses) -> str:
    """The nearest class: by name, or by path where another has the same name."""
    near: dict[str, str] = {}
    for import_path, cls in classes.subclasses.items():
        name = cls.__name__.lower()
        near[name] = import_path if name in near else cls.__name__
    found = difflib.get_close_matches(path.rpartition(".")[2].lower(), near, n=1, cutoff=0.7)
    return f" Did you mean {near[found[0]]!r}?" if found else ""


def _allowed(message: str) -> list[str]:
    """The types and literals that a message expects, in plain words."""
    kinds = re.findall(r"Expected (?:a )?<class '([\w.]+)'>", message)
    names = [kind.rpartition(".")[2] for kind in kinds]
    lengths = [f"a list of {length} values" for length in re.findall(r"Expected a tuple with (\d+) element", message)]
    literals = _literals(message)
    choice = [f"one of {', '.join(literals)}" if len(literals) > 1 else "".join(literals)]
    numbers = [name for name in names if name != "NoneType"]
    return [
        *lengths,
        *(IN_WORDS.get(name, name) for name in numbers),
        *(choice if literals else []),
        *(["null"] if len(numbers) < len(names) else []),
    ]


def _literals(message: str) -> list[str]:
    """The words that a message expects."""
    found = re.findall(r"typing\.Literal\[([^\]]*)\]", re.sub(r"Subtypes: .*", "", message))
    return list(dict.fromkeys(literal.strip(" '") for literals in found for literal in literals.split(",")))
