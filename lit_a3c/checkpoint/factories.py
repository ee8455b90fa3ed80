"""What makes the parts of an agent, as plain data in a checkpoint and back."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any, TypeVar

from torch.optim import Optimizer

from lit_a3c.checkpoint.compatibility import check_contents
from lit_a3c.checkpoint.io import is_plain
from lit_a3c.checkpoint.trust import DEFAULTS, allowed_class
from lit_a3c.networks.bodies import Body
from lit_a3c.networks.heads import ActionHead
from lit_a3c.networks.recurrent import RecurrentCore
from lit_a3c.utils.errors import ConfigError

T = TypeVar("T")

PARTS: dict[str, type] = {"body": Body, "head": ActionHead, "recurrent": RecurrentCore, "optimizer": Optimizer}
"""Options of the module that are factories, and what each of them makes."""
NOT_SAVED = "not_saved"
"""Key of what stands for a factory that has no plain form. Its value is the name of the factory."""


def to_plain(factory: Any) -> Any:
    """A factory as ``{"class_path": ..., "init_args": {...}}``, the form that a config has.

    Args:
        factory: A class, a ``functools.partial`` of a class, a default, or a plain value, which stays as it is.
            Anything else becomes ``{"not_saved": its name}``, so that loading can refuse it by name.
    """
    if is_plain(factory):
        return factory
    if default := [path for path, function in DEFAULTS.items() if function is factory]:
        return default[0]
    arguments: dict[str, Any] = {}
    if isinstance(factory, functools.partial) and not factory.args:
        factory, arguments = factory.func, factory.keywords
    if not isinstance(factory, type) or "<" in (path := _import_path(factory)):
        return {NOT_SAVED: getattr(factory, "__qualname__", type(factory).__name__)}
    return {"class_path": path, "init_args": {name: to_plain(value) for name, value in arguments.items()}}


def from_plain(option: str, plain: Any, *, trusted: bool = False) -> Any:
    """The inverse of :func:`to_plain`.

    Args:
        option: The option of the module, for the message.
        plain: What a checkpoint holds.
        trusted: Whether the user vouches for the file. It may then name any class.

    Raises:
        ConfigError: It has no plain form, or names a class that a file may not name.
    """
    if isinstance(plain, list):
        return [from_plain(option, item, trusted=trusted) for item in plain]
    if isinstance(plain, str) and plain in DEFAULTS:
        return DEFAULTS[plain]
    if not isinstance(plain, dict):
        return plain
    if NOT_SAVED in plain:
        raise ConfigError(
            f"the checkpoint's {option} was made by {str(plain[NOT_SAVED])[:80]!r}, which a checkpoint cannot hold. "
            f"Give it: load_from_checkpoint(..., {option}=...)."
        )
    if "class_path" not in plain:
        return {name: from_plain(option, value, trusted=trusted) for name, value in plain.items()}
    cls = _import_class(plain["class_path"], option) if trusted else allowed_class(plain["class_path"], option)
    arguments = plain.get("init_args") or {}
    if not isinstance(arguments, dict):
        raise ConfigError(f"the checkpoint's {option} has init_args that are no mapping.")
    return functools.partial(cls, **{name: from_plain(option, v, trusted=trusted) for name, v in arguments.items()})


def build(cls: type[T], checkpoint: Any, replaced: dict[str, Any], *, trusted: bool) -> T:
    """A module with the options of a checkpoint, before its weights are loaded.

    Args:
        cls: The class of the module.
        checkpoint: The checkpoint.
        replaced: Arguments of the class that replace those of the checkpoint.
        trusted: Whether the user vouches for the file.

    Raises:
        ConfigError: It is no checkpoint, or the class refuses its options.
    """
    spaces = check_contents(checkpoint)
    known = inspect.signature(cls).parameters
    options = {"spaces": spaces}
    for name, plain in checkpoint["hyper_parameters"].items():
        if name in known and name not in ("spaces", *replaced):
            make = part_from_plain if name in PARTS else from_plain
            options[name] = make(name, plain, trusted=trusted)
    try:
        return cls(**{**options, **replaced})
    except ConfigError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:  # what a constructor says of arguments that it does not know
        raise ConfigError(f"the checkpoint's options do not make a {cls.__name__}: {error}.") from error


def part_from_plain(option: str, plain: Any, *, trusted: bool = False) -> Any:
    """The factory of a part of the agent, or None where the agent has no such part.

    Args:
        option: One of :data:`PARTS`.
        plain: What a checkpoint holds.
        trusted: Whether the user vouches for the file.

    Raises:
        ConfigError: As :func:`from_plain`, or it makes something else.
    """
    factory = from_plain(option, plain, trusted=trusted)
    made = factory.func if isinstance(factory, functools.partial) else factory
    if made in (None, *DEFAULTS.values()) or (isinstance(made, type) and issubclass(made, PARTS[option])):
        return factory
    raise ConfigError(f"the checkpoint's {option} {str(plain)[:80]!r} makes no {PARTS[option].__name__}.")


def _import_path(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '<no name>')}"


def _import_class(path: Any, option: str) -> Any:
    """Any class, of a file that the user trusts."""
    try:
        module, _, name = str(path).rpartition(".")
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"the checkpoint's {option} {path!r} cannot be imported: {error}.") from error
