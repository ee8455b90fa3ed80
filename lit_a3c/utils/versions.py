"""The versions of what decides a training."""

from __future__ import annotations

import importlib.metadata
import platform

from lit_a3c import __version__

PACKAGES = ("torch", "lightning", "torchrl", "tensordict", "gymnasium", "numpy", "ale-py", "mujoco")


def installed_versions() -> dict[str, str]:
    """Those of Python, of this package, and of :data:`PACKAGES` as far as they are installed."""
    found = {"python": platform.python_version(), "lit-a3c": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
