"""The private hooks of argparse and jsonargparse that this package uses, each with its reason.

Importing this module does not import jsonargparse.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The actions of an ``argparse`` parser, those of jsonargparse included (``_actions``). There is no public list."""
    yield from parser._actions


def type_hint_of(action: argparse.Action) -> Any:
    """The annotation of an option of jsonargparse (``_typehint``), or the type of one of ``argparse``."""
    return getattr(action, "_typehint", action.type)


class AcceptedClasses(NamedTuple):
    """What an option takes whose value is a class of a config."""

    types: tuple[type, ...]
    """The classes in its annotation, returned ones included."""
    subclasses: dict[str, type]
    """Those of their subclasses that can be named, by import path."""


def accepted_classes(action: argparse.Action | None) -> AcceptedClasses:
    """The classes that an option takes (``_typehint``, ``get_class_types``, ``get_all_subclass_paths``).

    jsonargparse lists them in the help of the option, and has no public function for it.
    """
    from jsonargparse import _typehints, _util

    typehint = None if action is None else type_hint_of(action)
    if typehint is None:
        return AcceptedClasses((), {})
    types = _typehints.get_class_types(typehint)
    paths = _typehints.get_all_subclass_paths(typehint, closed_types=False)
    subclasses = {}
    for path in paths:
        with contextlib.suppress(AttributeError):  # Lightning makes subclasses of optimizers that no module has
            subclasses[path] = _util.import_object(path)
    return AcceptedClasses(types, {path: cls for path, cls in subclasses.items() if cls not in types})


def import_object(path: str) -> Any:
    """A class or function by its import path, as the command line imports it (``_util.import_object``)."""
    from jsonargparse import _util

    return _util.import_object(path)


def plain_factory(factory: Any) -> Any:
    """A factory that the command line has made, as a ``functools.partial`` of its class; any other one as it is.

    jsonargparse's own calls ``call_without_instantiate_context(instantiator, class, ...)``. The instantiator holds the
    parser, which cannot be sent to another process.
    """
    if isinstance(factory, functools.partial) and factory.func.__module__.startswith("jsonargparse"):
        _, cls = factory.args
        return functools.partial(cls, **factory.keywords)
    return factory
