"""Packages that only some users need."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from lit_a3c.utils.errors import ConfigError


def require(package: str, extra: str, command: str) -> ModuleType:
    """Import a package that only some commands need.

    Args:
        package: What is imported.
        extra: The extra of this library that installs it.
        command: Who needs it.

    Raises:
        ConfigError: It is not installed; with the pip command.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        whole = importlib.util.find_spec(package.partition(".")[0]) is not None
        why = f", which cannot be imported: {error}" if whole else ""
        raise ConfigError(f"{command} needs the package {package}{why}: pip install 'lit-a3c[{extra}]'") from error
