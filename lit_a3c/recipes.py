"""Recipes by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml

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
