"""Completion of commands, options and their values by the shell: ``lit-a3c --print_completion bash``."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from lit_a3c.cli.arguments import Answered
from lit_a3c.cli.commands import COMMANDS, VERBS
from lit_a3c.cli.configs import shipped_configs
from lit_a3c.cli.help import is_option, is_ours, kinds, plain
from lit_a3c.cli.help_texts import WORDS
from lit_a3c.cli.lightning_cli import A3CCLI
from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError, check_choice

PROGRAM = "lit-a3c"
PROPOSED = {"config": (" ".join(shipped_configs()), "*.yaml *.yml"), "ckpt_path": ("last best", "*.ckpt *.safetensors")}
"""Words and patterns of files for options that take either."""
FUNCTION_SHELLS = ("bash", "zsh")
"""Shells for which such an option has a function here. The others complete its name."""


def print_completion(shell: str) -> None:
    """Print the script that the shell shall read.

    Args:
        shell: Its name.

    Raises:
        ConfigError: It is none of shtab's, or shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise ConfigError("--print_completion needs shtab: pip install 'lit-a3c[completion]'.") from error
    check_choice("--print_completion", shell, shtab.SUPPORTED_SHELLS)
    try:
        _Completion(shell)
    except Answered:
        return


class _Completion(A3CCLI):
    """A command line that has the parsers of all commands, and that prints its completion instead of parsing."""

    def __init__(self, shell: str) -> None:
        self._shell = shell
        super().__init__(["fit", "--help"])

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        return LightningCLI.subcommands()

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        import shtab

        parsers = next(a.choices for a in compat_parser.actions_of(parser) if isinstance(a.choices, dict))
        whole = argparse.ArgumentParser(prog=PROGRAM)
        whole.add_argument("--version", action="store_true", help="the version")
        commands = whole.add_subparsers()
        for name, what in COMMANDS.items():
            command = commands.add_parser(name, help=what, add_help=False)
            for action in compat_parser.actions_of(parsers[name]):
                if is_option(action):
                    _add(command, action)
        for name, what in VERBS.items():
            verb = importlib.import_module(f"lit_a3c.cli.verbs.{name}").parser()
            commands.add_parser(name, help=what, add_help=False, parents=[verb], conflict_handler="resolve")
        shell = self._shell
        functions = [_shell_function(name, shell) for name in PROPOSED] if shell in FUNCTION_SHELLS else []
        print(shtab.complete(whole, shell, preamble="\n".join(functions)))
        raise Answered(0)


def _add(command: argparse.ArgumentParser, action: argparse.Action) -> None:
    """Add an option with its values, and the options of the classes that it may name.

    jsonargparse has such a function, too. It follows the classes that options of classes name, and does not come to an
    end with wrappers of environments.
    """
    names = [name for name in action.option_strings if not name.endswith("+")]
    text = plain(WORDS.get(action.dest) or action.help or "").partition(". ")[0].replace("%", "%%")
    if action.nargs == 0:
        command.add_argument(*names, action="store_true", help=text)
        return
    option: Any = command.add_argument(*names, help=text)
    classes = compat_parser.accepted_classes(action)
    if action.dest in PROPOSED:
        option.complete = dict.fromkeys(FUNCTION_SHELLS, f"_lit_a3c_{action.dest}")
    else:
        values = [kind for kind in kinds(compat_parser.type_hint_of(action)) if not kind.isupper()]
        values += [cls.__name__ for cls in classes.subclasses.values()] if action.dest != "data.env_id" else []
        option.choices = list(dict.fromkeys(values)) or None
    ours = [cls for path, cls in classes.subclasses.items() if is_ours(path) or path.startswith("torch.optim.")]
    for name in dict.fromkeys(name for cls in (*ours, *_dataclasses(classes.types)) for name in _options(cls)):
        command.add_argument(f"{names[0]}.{name}", help=f"an option of the class of {names[0]}")


def _dataclasses(classes: tuple[type, ...]) -> list[type]:
    return [cls for cls in classes if dataclasses.is_dataclass(cls)]


def _options(cls: type) -> list[str]:
    """The parameters of a class that have a default. What makes the class gives it the others, for example a space."""
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is not parameter.empty]


def _shell_function(name: str, shell: str) -> str:
    """A function of the shell that proposes the words or the files of ``PROPOSED``, and directories on the way."""
    words, patterns = PROPOSED[name]
    if shell == "zsh":
        return f"_lit_a3c_{name}() {{\n  compadd -- {words}\n  _files -g '({'|'.join(patterns.split())})'\n}}"
    files = "".join(f"  compgen -f -X '!{pattern}' -- \"$1\"\n" for pattern in patterns.split())
    return f'_lit_a3c_{name}() {{\n  compgen -W \'{words}\' -- "$1"\n{files}  compgen -d -- "$1"\n}}'
