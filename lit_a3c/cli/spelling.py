"""Misspelt options are refused before torch is imported, which takes seconds.

The names of most options are parameters of a few classes. They are read from the source files of these classes, which
takes a few hundredths of a second. What cannot be told from them is left to the parser: options without a section, and
those of a class that a config names.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib.util
import re
from pathlib import Path

from lit_a3c.utils.errors import ConfigError

SECTIONS = {
    "data": "lit_a3c.datamodule.RolloutDataModule",
    "data.atari": "lit_a3c.envs.options.AtariOptions",
    "ray": "lit_a3c.engines.ray_pool.options.RayOptions",
    "model": "lit_a3c.module.A3C",
    "trainer": "lightning.pytorch.trainer.trainer.Trainer",
    "best_checkpoint": "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
    "last_checkpoint": "lit_a3c.callbacks.last_checkpoint.LastCheckpoint",
    "video": "lit_a3c.callbacks.video.VideoRecorder",
    "progress": "lit_a3c.callbacks.progress.StepProgressBar",
}
"""The class whose parameters are the options of a section. A test compares them with those that the parser knows."""
FORMS = ("help", "class_path", "init_args")
"""What stands at the place of a parameter and is none."""


def is_question(options: list[str]) -> bool:
    """Whether help is asked for, which needs neither a config nor workers."""
    names = [option.partition("=")[0] for option in options if option.startswith("-")]
    return any(name in ("-h", "--help-all") or re.fullmatch(r"--(.*\.)?help", name) for name in names)


def check_spelling(options: list[str]) -> None:
    """Refuse the first option that no class has.

    Args:
        options: Those of a command, as they were typed.

    Raises:
        ConfigError: With the nearest right name.
    """
    for option in options:
        if option == "--":
            return
        if named := re.fullmatch(r"--(\w+(?:\.\w+)+)\+?(?:=\S*)?", option):
            _check(named[1])


def _check(name: str) -> None:
    section = ".".join(name.split(".")[:-1])
    while section and section not in SECTIONS:
        section = section.rpartition(".")[0]
    if section:
        parameter = name.removeprefix(f"{section}.").partition(".")[0]
        known = parameters(SECTIONS[section])
        if known is None or parameter in (*known, *FORMS):
            return
    elif not difflib.get_close_matches(name.partition(".")[0], SECTIONS, n=1, cutoff=0.6):
        return  # a section that is not in the table
    options = {f"{section}.{name}" for section, path in SECTIONS.items() for name in parameters(path) or ()}
    of_class = f" of {SECTIONS[section].rpartition('.')[2]}" if "." in section else ""
    near = nearest(name, options)
    raise ConfigError(f"there is no option '--{name}'{of_class}." + (f" Did you mean '--{near}'?" if near else ""))


@functools.cache
def parameters(path: str) -> tuple[str, ...] | None:
    """The parameters of a class, which is not imported.

    Args:
        path: The import path of the class.

    Returns:
        Their names; None where its source does not tell all of them.
    """
    package, *modules, name = path.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0], *modules).with_suffix(".py")
    if not file.is_file():
        return None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    return None if found is None else _parameters_of(found)


def _parameters_of(found: ast.ClassDef) -> tuple[str, ...] | None:
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            if node.args.vararg or node.args.kwarg:
                return None
            return tuple(arg.arg for arg in (*node.args.args[1:], *node.args.kwonlyargs))
    if any("dataclass" in ast.unparse(decorator) for decorator in found.decorator_list) and not found.bases:
        fields = (node.target for node in found.body if isinstance(node, ast.AnnAssign))
        return tuple(field.id for field in fields if isinstance(field, ast.Name))
    return None


def nearest(given: str, options: set[str]) -> str | None:
    """The option that an unknown one was meant for: one of its names corrected, else the same name in another place.

    Args:
        given: What was typed, without dashes.
        options: The right ones.
    """
    append = "+" if given.endswith("+") else ""
    names = given.removesuffix("+").split(".")
    paths = [option.split(".") for option in options]
    for depth, name in enumerate(names):
        siblings = {path[depth] for path in paths if len(path) > depth and path[:depth] == names[:depth]}
        if name not in siblings:
            near = difflib.get_close_matches(name, siblings, n=1, cutoff=0.6)
            if near:
                return ".".join([*names[:depth], *near, *names[depth + 1 :]]) + append
            break
    elsewhere = sorted(".".join(path) for path in paths if path[-1] == names[-1] and path != names)
    return elsewhere[0] + append if elsewhere else None
