"""Recipes by name, and the checkpoints that carry one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml

from lit_a3c.checkpoints import read_checkpoint, resolve_checkpoint
from lit_a3c.errors import ConfigError, did_you_mean


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by file name."""
    directory = Path(str(resources.files("lit_a3c.configs")))
    return {file.name: file for file in sorted(directory.glob("*.yaml"))}


def _check_yaml(name: str) -> None:
    try:
        content = yaml.safe_load(Path(name).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {name!r} cannot be read as YAML: {' '.join(str(error).split())[:160]}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"--config {name!r} is no recipe: it must be a mapping with data, model and trainer.")


def resolve_recipe(name: str) -> Path:
    """A local file of that name, else the shipped recipe.

    Raises:
        ConfigError: Neither exists; with the shipped recipes and the nearest.
    """
    if Path(name).is_file():
        _check_yaml(name)
        return Path(name)
    shipped = shipped_recipes()
    if name in shipped or f"{name}.yaml" in shipped:
        return shipped.get(name) or shipped[f"{name}.yaml"]
    near = did_you_mean(name, shipped)
    raise ConfigError(f"--config {name!r} is neither a file nor a shipped recipe ({', '.join(shipped)}).{near}")


def with_files(argv: list[str]) -> list[str]:
    """The arguments with the names of recipes and runs replaced by files.

    ``--config NAME`` becomes a local file or else the shipped recipe of that name. ``--ckpt_path`` may be a file, a
    run's directory, ``last`` or ``best``; where no ``--config`` is given, the checkpoint's own recipe is put first,
    so that options on the command line override it.

    Raises:
        ConfigError: No such recipe or checkpoint, or one that cannot be read.
    """
    command, options = argv[0], _split_equals(argv[1:])
    configs = 0
    checkpoint: Path | None = None
    for i, option in enumerate(options):
        value = options[i + 1] if i + 1 < len(options) else None
        if option in ("-c", "--config") and value is not None:
            options[i + 1] = str(resolve_recipe(value))
            configs += 1
        elif option == "--ckpt_path" and value not in (None, "null"):
            assert value is not None
            checkpoint = resolve_checkpoint(value, prefer="last" if command == "fit" else "best")
            options[i + 1] = str(checkpoint)
    if "--help" in options or "-h" in options:
        return [command, *options]
    if checkpoint is not None:
        recipe = read_checkpoint(checkpoint).get("recipe")
        if not configs:
            if recipe is None:
                raise ConfigError(f"{str(checkpoint)!r} carries no recipe; name one with --config.")
            options = ["--config", str(recipe), *options]
    elif command != "fit" and not configs:
        raise ConfigError(f"{command} needs a trained agent: --ckpt_path with a checkpoint or a run's directory.")
    elif not configs and not any(option.startswith("--data") for option in options):
        raise ConfigError("fit needs a recipe, for example --config atari.yaml, or --data.env_id.")
    return [command, *options]


def _split_equals(options: list[str]) -> list[str]:
    split: list[str] = []
    for option in options:
        name, equals, value = option.partition("=")
        split += [name, value] if equals and name in ("-c", "--config", "--ckpt_path") else [option]
    return split
