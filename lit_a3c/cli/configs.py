"""Configs by name, configs that build on another, and checkpoints that carry one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from lit_a3c.checkpoint.agent_file import WEIGHTS_ONLY
from lit_a3c.checkpoint.compatibility import check_fits
from lit_a3c.checkpoint.factories import PARTS, build
from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.checkpoint.trust import config_of
from lit_a3c.cli.init_from import check_init_from
from lit_a3c.cli.spelling import is_question
from lit_a3c.module import A3C
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.options import CLASSES, by_option
from lit_a3c.utils.paths import user_path
from lit_a3c.utils.yaml_strict import load_yaml

DEFAULTS = "defaults.yaml"
"""The shipped config that all others build on."""
LINKS = {
    "data.engine": "engine",
    "data.num_workers": "num_workers",
    "data.ray": "ray",
    "model.spaces": "data.spaces",
}
"""Arguments of the two modules whose value is that of another, and which are therefore no options."""


TRUST = "--trust_checkpoint"
"""The flag with which the user vouches for a checkpoint, whose config may then name any class."""
SECTIONS = (
    *("seed_everything", "engine", "num_workers", "model", "data", "trainer"),
    *("best_checkpoint", "last_checkpoint", "video", "progress"),
)
"""What of a config goes into a checkpoint."""


def shipped_configs() -> dict[str, Path]:
    """The configs that come with the package, by file name."""
    directory = Path(str(resources.files("lit_a3c.configs")))
    return {file.name: file for file in sorted(directory.glob("*.yaml")) if file.name != DEFAULTS}


def defaults() -> dict[str, Any]:
    """The defaults of the command line, by option: ``{"trainer.max_epochs": -1, ...}``."""
    text = (resources.files("lit_a3c.configs") / DEFAULTS).read_text()
    return dict(by_option(yaml.safe_load(text), whole=CLASSES))


def resolve_config(name: str, option: str = "--config") -> Path:
    """A local file of that name, else the shipped config.

    Args:
        name: What the user wrote.
        option: Where the user wrote it.

    Raises:
        ConfigError: Neither exists; with the shipped configs and the nearest.
    """
    path = user_path(name, option)
    if path.is_file():
        return path
    shipped = shipped_configs()
    if name in shipped or f"{name}.yaml" in shipped:
        return shipped.get(name) or shipped[f"{name}.yaml"]
    near = did_you_mean(name, shipped)
    raise ConfigError(f"{option} {name!r} is neither a file nor a shipped config ({', '.join(shipped)}).{near}")


def config_chain(name: str, seen: tuple[Path, ...] = ()) -> list[str]:
    """A config after those that it builds on, each as a path or as text.

    A config names another with ``base: mujoco.yaml`` and then holds only what it changes.

    Raises:
        ConfigError: One of them cannot be found or read, or builds on itself.
    """
    option = "base" if seen else "--config"
    path = resolve_config(name, option)
    if path.resolve() in seen:
        raise ConfigError(f"{option} {name!r} builds on itself: its key base leads back to it.")
    try:
        text = path.read_text(encoding="utf-8")
        content = load_yaml(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{option} {name!r} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{option} {name!r} is no config: it must be a mapping with data, model and trainer.")
    if content.get("ckpt_path") is not None:
        given = f"--ckpt_path {content['ckpt_path']}"
        raise ConfigError(f"{option} {name!r}: ckpt_path is for the command line only: {given}.")
    for target, source in LINKS.items():
        section, _, argument = target.partition(".")
        if isinstance(values := content.get(section), dict) and argument in values:
            raise ConfigError(f"{option} {name!r}: there is no option {target!r}: its value is that of {source}.")
    if "base" not in content:
        return [str(path)]
    base = content.pop("base")
    beside = path.parent / str(base)
    chain = config_chain(str(beside if beside.is_file() else base), (*seen, path.resolve()))
    return [*chain, yaml.safe_dump(content)]


def with_files(argv: list[str]) -> list[str]:
    """The arguments with the names of configs and runs replaced by files.

    ``--config NAME`` becomes a local file or else the shipped config of that name, after the configs that it builds on.
    ``--ckpt_path`` may be what :func:`~lit_a3c.checkpoint.find.resolve_checkpoint` takes. Where no ``--config`` is
    given, the checkpoint's own config is put first, so that options on the command line override it. It may name only
    what :mod:`lit_a3c.checkpoint.trust` allows, unless ``--trust_checkpoint`` is among the arguments.

    Raises:
        ConfigError: No such config or checkpoint, or one that cannot be read.
    """
    trusted = TRUST in argv
    command, given, options = argv[0], _split_equals([option for option in argv[1:] if option != TRUST]), []
    configs, checkpoint, named = 0, None, ""
    check_init_from(command, given)
    values = iter(given)
    for option in values:
        if option not in ("-c", "--config", "--ckpt_path") or (value := next(values, None)) is None:
            options.append(option)
        elif option != "--ckpt_path":
            options += [part for config in config_chain(value) for part in ("--config", config)]
            configs += 1
        elif value != "null":
            named, checkpoint = value, resolve_checkpoint(value, prefer="last" if command == "fit" else "best")
    if checkpoint is not None:  # last, because the config of a run holds ``ckpt_path: null``
        options += ["--ckpt_path", str(checkpoint)]
    if is_question(options):
        return [command, *options]
    if command in ("validate", "test"):
        options = ["--verbose=false", *options]  # Lightning's own table would stand beside ours
    if checkpoint is not None:
        contents = read_checkpoint(checkpoint)
        if command == "fit" and contents.get(WEIGHTS_ONLY):
            raise ConfigError(
                f"--ckpt_path {named!r} holds no state of an optimizer, so no training can go on from it. To begin a "
                f"new one with its weights, give a --config and --init_from {named}."
            )
        if not configs:
            replaced = {option.removeprefix("--").partition("=")[0] for option in given}
            config = config_of(contents, fit=command == "fit", sections=SECTIONS, replaced=replaced, trusted=trusted)
            if not any(f"model.{part}" in replaced for part in PARTS):
                _check_agent(contents, config, trusted=trusted)
            options = ["--config", yaml.safe_dump(config), *options]
    elif command != "fit" and not configs:
        raise ConfigError(f"{command} needs a trained agent: --ckpt_path with a checkpoint or a run's directory.")
    elif not configs and not any(option.startswith("--data") for option in options):
        raise ConfigError("fit needs a config, for example --config atari.yaml, or --data.env_id.")
    return [command, *options]


def _check_agent(checkpoint: dict[str, Any], config: dict[str, Any], *, trusted: bool) -> None:
    """Refuse a checkpoint whose config does not make the network of its weights, before an environment is made.

    Raises:
        ConfigError: With the difference.
    """
    options = {**checkpoint["hyper_parameters"], **config["model"]}
    module = build(A3C, {**checkpoint, "hyper_parameters": options}, {}, trusted=trusted)
    check_fits(checkpoint, module.spaces, module.state_dict())


def _split_equals(options: list[str]) -> list[str]:
    split: list[str] = []
    for option in options:
        name, equals, value = option.partition("=")
        split += [name, value] if equals and name in ("-c", "--config", "--ckpt_path") else [option]
    return split
