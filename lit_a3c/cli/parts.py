"""Parts of the network that a config names and that the environment's spaces cannot have."""

from __future__ import annotations

import functools
from typing import Any

from gymnasium.spaces import Box, Space
from jsonargparse import Namespace

from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpaces, components, leaves
from lit_a3c.networks.bodies import Body, DictBody, fitting_body, is_image
from lit_a3c.networks.heads import ActionHead, JointHead, fitting_head
from lit_a3c.utils import compat_parser


def fit_parts(model: Any, spaces: EnvSpaces, given: list[str]) -> list[str]:
    """Put the fitting body and head in the place of those that a config names and that do not fit.

    So one config serves any space. What the user names on the command line stays, and is refused where it does not fit.
    A part that does not fit a composite space is used for the components that it fits.

    Args:
        model: The section ``model`` of a command's configuration, which is changed.
        spaces: The spaces of the environment.
        given: The options of the command line.

    Returns:
        A line for each part that was replaced.
    """
    lines = []
    for option, kind, space, replace in (
        ("body", Body, spaces.seen_space, _body),
        ("head", ActionHead, spaces.action_space, _head),
    ):
        named = model.get(option)
        cls = _class_of(named, kind)
        if cls is None or cls.fits(space) or any(o.startswith(f"--model.{option}") for o in given):
            continue
        model[option] = replace(space, cls, named)
        what = "observations" if option == "body" else "actions"
        lines.append(
            f"model.{option} {cls.__name__} does not fit the {what} of {spaces.env_id!r}. "
            f"{model[option].class_path.rpartition('.')[2]} takes its place."
        )
    return lines


def spaces_of(data: Any) -> EnvSpaces:
    """The spaces of the environment that the section ``data`` describes. The data module will not make it again.

    Raises:
        ConfigError: It cannot be made, or has spaces that no network here fits.
    """
    atari = None if data.atari is None else AtariOptions(**data.atari)
    wrappers = (
        functools.partial(compat_parser.import_object(named.class_path), **dict(named.get("init_args") or {}))
        for named in data.wrappers or ()
    )
    return EnvConfig.of(data.env_id, atari, data.env_kwargs, wrappers, data.action_mask).spaces()


def _body(space: Space[Any], cls: type[Body], named: Namespace) -> Namespace:
    images = [leaf for leaf in leaves(space) if is_image(leaf)]
    others = [leaf for leaf in leaves(space) if not is_image(leaf)]
    arguments: dict[str, Any] = {}
    if DictBody.fits(space):
        for name, parts in (("image", images), ("vector", others)):
            if parts and all(cls.fits(part) for part in parts):
                arguments[name] = named
                break
    return _part(fitting_body(space), arguments)


def _head(space: Space[Any], cls: type[ActionHead], named: Namespace) -> Namespace:
    boxes = [part for part in components(space) if isinstance(part, Box)]
    inside = JointHead.fits(space) and boxes and all(cls.fits(part) for part in boxes)
    return _part(fitting_head(space), {"box": named} if inside else {})


def _part(cls: type, arguments: dict[str, Any]) -> Namespace:
    return Namespace(class_path=f"lit_a3c.{cls.__name__}", init_args=Namespace(**arguments))


def _class_of(named: Any, kind: type) -> Any:
    """The class that a config names, or None where it names none of this kind."""
    if not isinstance(named, Namespace) or "class_path" not in named:
        return None
    cls = compat_parser.import_object(named.class_path)
    return cls if isinstance(cls, type) and issubclass(cls, kind) else None
