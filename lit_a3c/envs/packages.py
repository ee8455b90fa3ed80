"""Packages of environments that are extras of this library: what is said where one is missing or does not fit."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType
from typing import NamedTuple


class Package(NamedTuple):
    """A package that registers environments, or that some environments of Gymnasium's need.

    Attributes:
        module: Its module.
        extra: The extra of this library that installs it: ``pip install 'lit-a3c[extra]'``.
        needs: A module without which it registers nothing.
        prefixes: How the ids begin that it registers.
        mujoco: The oldest version of MuJoCo that its newest release does not work with. The extra installs an older
            one.
    """

    module: str
    extra: str
    needs: str | None = None
    prefixes: tuple[str, ...] = ()
    mujoco: tuple[int, int] | None = None

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'lit-a3c[{self.extra}]'"


ROBOTICS = ("Fetch", "Hand", "Adroit", "FrankaKitchen", "AntMaze", "PointMaze")
PACKAGES = (
    Package("Box2D", "box2d"),
    Package("minigrid", "minigrid", prefixes=("MiniGrid-", "BabyAI-")),
    Package("gymnasium_robotics", "robotics", prefixes=ROBOTICS, mujoco=(3, 12)),
    Package("shimmy", "dm-control", needs="dm_control", prefixes=("dm_control/",), mujoco=(4, 0)),
)


def import_module(name: str) -> ModuleType:
    """The module of an environment. dm_control's changes the filters of warnings for the whole program: not here."""
    known = any(name == package.module for package in PACKAGES)
    with warnings.catch_warnings() if known else contextlib.nullcontext():
        return importlib.import_module(name)


def missing(error: BaseException) -> str:
    """The words for a package that could not be imported; empty if that is not what an exception is about."""
    for cause in _chain(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            root = cause.name.partition(".")[0]
            for package in PACKAGES:
                if root in (package.module, package.needs):
                    return f"{root} is not installed: {package.command}"
    return ""


def whose(env_id: str) -> str:
    """What to give in place of an id that is not registered, if it is that of a known package; else empty."""
    module, _, name = env_id.rpartition(":")
    for package in PACKAGES:
        if name.startswith(package.prefixes):
            if not module:
                full = f"{package.module}:{name}"
                return f" Its package must be named, too: {full!r}, after {package.command}."
            if module == package.module and package.needs and importlib.util.find_spec(package.needs) is None:
                return f" {package.needs} is not installed: {package.command}."
    return ""


def too_new(env_id: str) -> str:
    """What to install if the environment's package does not work with this MuJoCo; else empty."""
    for package in PACKAGES:
        if package.mujoco and env_id.startswith(f"{package.module}:"):
            version = metadata.version("mujoco")
            major, minor, *_ = version.split(".")
            if (int(major), int(minor)) >= package.mujoco:
                return f" It was not made for MuJoCo {version}: {package.command} installs an older one."
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
