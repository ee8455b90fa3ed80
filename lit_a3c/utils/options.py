"""Configs option by option."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

CLASSES = ("class_path", "not_saved")
"""Keys of a mapping that says which class an option has, or that it cannot be written."""


def by_option(values: Mapping[str, Any], prefix: str = "", whole: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping by their dotted names: ``("data.env_id", "CartPole-v1")``.

    Args:
        values: The mapping.
        prefix: What stands before each name.
        whole: A mapping that has one of these keys is a value. With :data:`CLASSES` the arguments of a class stand with
            it.
    """
    for name, value in values.items():
        if isinstance(value, dict) and value and value.keys().isdisjoint(whole):
            yield from by_option(value, f"{prefix}{name}.", whole)
        else:
            yield f"{prefix}{name}", value
