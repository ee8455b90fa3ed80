"""Recipes by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lit_a3c.errors import ConfigError, did_you_mean


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by file name."""
    directory = Path(str(resources.files("lit_a3c.configs")))
    return {file.name: file for file in sorted(directory.glob("*.yaml"))}


def resolve_recipe(name: str) -> Path:
    """A local file of that name, else the shipped recipe.

    Raises:
        ConfigError: Neither exists; with the shipped recipes and the nearest.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_recipes()
    if name in shipped or f"{name}.yaml" in shipped:
        return shipped.get(name) or shipped[f"{name}.yaml"]
    near = did_you_mean(name, shipped)
    raise ConfigError(f"--config {name!r} is neither a file nor a shipped recipe ({', '.join(shipped)}).{near}")
