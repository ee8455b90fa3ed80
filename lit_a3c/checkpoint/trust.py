"""What a file may name. A checkpoint is a stranger's: its classes come from a list, its words are no paths and no code.

A checkpoint holds the config of its training, and a config names classes by import path. jsonargparse and Lightning
import any path and call what they find, functions of the operating system included. So the config of a checkpoint is
checked before either of them sees it. The user lifts the check with ``--trust_checkpoint``, or replaces the config with
``--config``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium import Wrapper
from gymnasium.wrappers import RecordVideo
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from torch.optim import Optimizer

from lit_a3c.networks.bodies import Body, default_body
from lit_a3c.networks.heads import ActionHead, default_head
from lit_a3c.networks.recurrent import RecurrentCore
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.yaml_strict import load_yaml

PACKAGES = ("lit_a3c", "torch.optim", "lightning.pytorch.callbacks", "gymnasium.wrappers")
"""Packages whose modules a file may have imported. Importing them does nothing else."""
KINDS = (Body, ActionHead, RecurrentCore, Optimizer, Callback, Wrapper, Logger)
"""A file may name only subclasses of these, and only those that are defined in :data:`PACKAGES`."""
WRITERS = (RecordVideo,)
"""Of these, what writes files: only the user says where files go."""
DEFAULTS = {
    "lit_a3c.networks.bodies.default_body": default_body,
    "lit_a3c.networks.heads.default_head": default_head,
}
"""The two functions that a file may name, by import path. They choose a part of the network by the space."""
WORD = re.compile(r"([\w:+-]+(/[\w+-]+)*)?")
"""A string of a config that is neither a path out of a directory, nor a mapping in YAML, nor an import path."""
ENV_ID = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*")
"""An id of Gymnasium's registry. ``module:Id`` would import the module."""
EVALUATED = ("seed_everything", "data", "model", "video")
"""Sections that commands other than ``fit`` take over: the agent and its environment."""
OUTPUT = ("save_dir", "dirpath", "default_root_dir", "root_dir", "log_dir", "sub_dir")
"""Options that say where files go. Only the user says that."""


def config_of(
    checkpoint: dict[str, Any],
    *,
    fit: bool,
    sections: Collection[str],
    replaced: Collection[str] = (),
    trusted: bool = False,
) -> dict[str, Any]:
    """The config that a checkpoint carries, as far as a command takes it over.

    Args:
        checkpoint: The checkpoint.
        fit: Whether the command trains.
        sections: Names of all sections that a config may have.
        replaced: Options such as ``data.env_id`` that the user gives. Those of the file are left out.
        trusted: Whether the user vouches for the file. Its config may then name any class.

    Raises:
        ConfigError: There is no config, it is none, or it names what a file may not name.
    """
    if not isinstance(text := checkpoint.get("config"), str):
        raise ConfigError("the checkpoint carries no config. Name one with --config.")
    try:
        config = load_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"the config in the checkpoint cannot be used: {error}") from error
    if not isinstance(config, dict) or not all(
        isinstance(config.get(s, {}), dict) for s in ("data", "model", "trainer")
    ):
        raise ConfigError("the config in the checkpoint must be a mapping with the sections data, model and trainer.")
    if unknown := sorted(str(section) for section in config if section not in sections):
        raise ConfigError(f"the config in the checkpoint has a section {unknown[0][:80]!r}, which no config has.")
    config = {"data": {}, "model": {}, "trainer": {}, **config}
    trainer = config["trainer"]
    if not fit:
        config = {section: config[section] for section in EVALUATED if section in config}
        trainer = {"precision": trainer["precision"]} if "precision" in trainer else {}
    config = _without_output({**config, "trainer": trainer})
    for section in ("data", "model"):
        config[section] = {k: v for k, v in config[section].items() if f"{section}.{k}" not in replaced}
    if not trusted:
        _check_config(config, checkpoint["spaces"]["env_id"])
    return config


def allowed_class(path: Any, option: str) -> type:
    """The class that a file names.

    Args:
        path: Its import path.
        option: Where the file names it, for the message.

    Raises:
        ConfigError: It is none of the classes that a file may name. Nothing was imported for it.
    """
    refusal = _refusal(option, path, "is none of the classes that a checkpoint may name")
    if not isinstance(path, str) or not re.fullmatch(r"[a-zA-Z]\w*(\.[a-zA-Z]\w*)+", path):
        raise refusal
    module, _, name = path.rpartition(".")
    if not _inside(module):
        raise refusal
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        raise refusal from None
    if not isinstance(found, type) or not _inside(found.__module__):
        raise refusal
    if not issubclass(found, KINDS) or issubclass(found, WRITERS):
        raise refusal
    return found


def _without_output(config: dict[str, Any]) -> dict[str, Any]:
    """A config without the options that say where the files of the run go."""
    trainer = {name: value for name, value in config["trainer"].items() if name not in OUTPUT}
    if isinstance(logger := trainer.get("logger"), dict) and isinstance(arguments := logger.get("init_args"), dict):
        kept = {name: value for name, value in arguments.items() if name not in (*OUTPUT, "name", "version")}
        trainer["logger"] = {**logger, "init_args": kept}
    clean = {**config, "trainer": trainer}
    for section in ("best_checkpoint", "last_checkpoint", "video"):
        if isinstance(values := clean.get(section), dict):
            clean[section] = {name: value for name, value in values.items() if name not in OUTPUT}
    return clean


def _check_config(config: dict[str, Any], env_id: str) -> None:
    """Refuse a config that names what a file may not name.

    Args:
        config: The config in a checkpoint.
        env_id: The environment that the checkpoint was trained on.

    Raises:
        ConfigError: By the name of the option, with what it names.
    """
    if (named := config["data"].get("env_id", env_id)) != env_id:
        raise ConfigError(
            f"the checkpoint contradicts itself: it is of {env_id!r}, and its config names {str(named)[:80]!r}."
        )
    path = "." in env_id and env_id not in gymnasium.registry
    if "env_id" in config["data"] and (path or not ENV_ID.fullmatch(env_id)):
        raise _refusal("data.env_id", env_id, "is no id of Gymnasium's registry: a module would be imported for it")
    if config["data"].get("ray") is not None:
        raise _refusal("data.ray", config["data"]["ray"], "says on which machines code runs, and which")
    for section, value in config.items():
        _check_value(section, {**value, "env_id": None} if section == "data" else value)


def _check_value(option: str, value: Any) -> None:
    """Refuse a value, or one inside it, that may lead anywhere else than to the option itself."""
    match value:
        case None | bool() | int() | float():
            return
        case dict():
            if "class_path" in value:
                allowed_class(value["class_path"], option)
            for key, item in value.items():
                if not isinstance(key, str) or not re.fullmatch(r"[\w-]+", key):
                    raise _refusal(option, key, "is no name of an option")
                if key in OUTPUT and item is not None:
                    raise _refusal(f"{option}.{key}", item, "says where files go")
                if key != "class_path":
                    _check_value(f"{option}.{key}".replace(".init_args", ""), item)
        case list():
            for item in value:
                _check_value(option, item)
        case str():
            if value not in DEFAULTS and not WORD.fullmatch(value):
                raise _refusal(option, value, "is neither a plain word nor a number")
            if value and Path(value).exists():  # jsonargparse reads the options of a class from a file of this name
                raise _refusal(option, value, "is also the name of a file here")
        case _:
            raise _refusal(option, value, "is neither a plain word nor a number")


def _inside(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in PACKAGES)


def _refusal(option: str, value: Any, reason: str) -> ConfigError:
    return ConfigError(
        f"the checkpoint's {option} {str(value)[:80]!r} {reason}. Give the option yourself, or name a config of "
        "your own with --config my.yaml. If you trust the file, add --trust_checkpoint."
    )
