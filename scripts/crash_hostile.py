"""The campaign ``hostile`` of ``crash.py``: whole checkpoints of a stranger, whose contents attack their reader."""

from __future__ import annotations

import contextlib
import copy
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from crash_trainings import LAST, fit, running

from lit_a3c import A3C, ConfigError
from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified, save_atomic
from lit_a3c.cli.main import main

TOUCH = {"command": "touch executed"}
RUN = {"class_path": "os.system", "init_args": TOUCH}
"""A class of a config that runs a command when it is called."""
Attack = Callable[[dict[str, Any]], None]
"""Changes a good checkpoint, whose ``config`` is a mapping, into a hostile one."""
PARTS = ("body", "head", "recurrent", "optimizer")
HARMLESS = (
    *("save_dir", "logger name", "logger version", "default_root_dir", "dirpath"),
    *("instantiator", "instantiator and class", *(f"{part} option" for part in PARTS)),
)
"""Attacks that the command line does not refuse: it takes over neither where output goes nor Lightning's options."""


def _set(*path: Any) -> Attack:
    """An attack that puts a value, the last argument, at a path."""
    *keys, last, value = path

    def attack(checkpoint: dict[str, Any]) -> None:
        for key in keys:
            checkpoint = checkpoint[key]
        checkpoint[last] = value

    return attack


def _drop(name: str) -> Attack:
    return lambda checkpoint: checkpoint.pop(name)


def _both_ids(env_id: str) -> Attack:
    def attack(checkpoint: dict[str, Any]) -> None:
        checkpoint["config"]["data"]["env_id"] = checkpoint["spaces"]["env_id"] = env_id

    return attack


def _weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Attack:
    def attack(checkpoint: dict[str, Any]) -> None:
        name = next(name for name in checkpoint["state_dict"] if name.endswith("weight"))
        checkpoint["state_dict"][name] = change(checkpoint["state_dict"][name])

    return attack


def _text(text: str) -> Attack:
    return _set("config", text)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))

ATTACKS: dict[str, Attack] = {
    # Code in the place of a class
    **{f"{part} calls": _set("config", "model", part, RUN) for part in PARTS},
    **{f"{part} option": _set("hyper_parameters", part, RUN) for part in PARTS},
    "a function by name": _set("config", "model", "body", "os.getpid"),
    "YAML in a string": _set("config", "model", "body", str(RUN)),
    "inside a class": _set(
        *("config", "model", "body"), {"class_path": "lit_a3c.DictBody", "init_args": {"image": RUN}}
    ),
    "inside a head": _set("config", "model", "head", {"class_path": "lit_a3c.JointHead", "init_args": {"box": RUN}}),
    "builtins": _set("config", "model", "optimizer", {"class_path": "builtins.exec", "init_args": {"code": "1/0"}}),
    "a function of ours": _set("config", "model", "body", {"class_path": "lit_a3c.cli.main.main", "init_args": {}}),
    "through our imports": _set("config", "model", "body", {"class_path": "lit_a3c.checkpoint.io.os.system"}),
    "through torch": _set("config", "model", "optimizer", {"class_path": "torch.optim.swa_utils.deepcopy"}),
    "torch hub": _set("config", "model", "body", {"class_path": "torch.hub.load", "init_args": {"repo_or_dir": "a/b"}}),
    "a module to import": _set("config", "model", "body", {"class_path": "evil.Body", "init_args": {}}),
    "a class of another kind": _set("config", "model", "body", {"class_path": "lit_a3c.RolloutDataModule"}),
    "underscores": _set("config", "model", "body", {"class_path": "lit_a3c.__main__.main"}),
    "instantiator": _set("hyper_parameters", "_instantiator", "os.system"),
    "instantiator and class": lambda checkpoint: checkpoint["hyper_parameters"].update(
        _instantiator="lightning.pytorch.cli.instantiate_module", _class_path="evil.Module"
    ),
    # The trainer, for fit
    **{f"trainer.{key}": _set("config", "trainer", key, RUN) for key in ("logger", "strategy", "profiler", "plugins")},
    "callbacks": _set("config", "trainer", "callbacks", [RUN]),
    "a callback's function": _set(
        *("config", "trainer", "callbacks"),
        [{"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"on_fit_start": "evil.main"}}],
    ),
    "a callback's directory": _set(
        *("config", "trainer", "callbacks"),
        [{"class_path": "lightning.pytorch.callbacks.OnExceptionCheckpoint", "init_args": {"dirpath": "/tmp/outside"}}],
    ),
    "save_dir": _set("config", "trainer", "logger", "init_args", "save_dir", "outside"),
    "logger name": _set("config", "trainer", "logger", "init_args", "name", "../../outside"),
    "logger version": _set("config", "trainer", "logger", "init_args", "version", "../../../outside"),
    "default_root_dir": _set("config", "trainer", "default_root_dir", "outside"),
    "dirpath": _set("config", "best_checkpoint", "dirpath", "outside"),
    "filename": _set("config", "best_checkpoint", "filename", "../../../../outside"),
    # Environments
    "module of an environment": _set("config", "data", "env_id", "evil:Evil-v0"),
    "module in both places": _both_ids("evil:Evil-v0"),
    "another environment": _set("config", "data", "env_id", "Pendulum-v1"),
    "path for an environment": _set("config", "data", "env_kwargs", {"xml_file": "/etc/passwd"}),
    "class for an environment": _set("config", "data", "env_kwargs", {"sutton_barto_reward": RUN}),
    # Text
    "python tag": _text("data: {}\nmodel: !!python/object/apply:os.system ['touch executed']\n"),
    "a path as config": _text("evil.yaml"),
    "a path as section": _set("config", "model", "evil"),
    "a path as class": _set("config", "model", "body", "evil"),
    "a path as trainer": _set("config", "trainer", "evil"),
    "aliases": _text(f"{LAUGHS}data: {{}}\nmodel: {{body: *a11}}\n"),
    "a long text": _text("data: {}\nmodel: {}\n" + "# long\n" * 200_000),
    "deep nesting": _text("data: {}\nmodel: " + "[" * 5000 + "]" * 5000),
    "a key twice": _text("data: {env_id: CartPole-v1, env_id: 'evil:Evil-v0'}\nmodel: {}\n"),
    "two documents": _text("data: {}\nmodel: {}\n---\nmodel: 1\n"),
    "another section": _set("config", "subcommand", "fit"),
    "no mapping": _text("[1, 2]"),
    "no config": _set("config", 7),
    "a date": _set("config", "model", "gamma", __import__("datetime").date(2026, 1, 1)),
    # Fields
    **{f"no {name}": _drop(name) for name in ("spaces", "steps", "state_dict", "seconds", "hyper_parameters")},
    "negative steps": _set("steps", -1),
    "endless steps": _set("steps", 10**30),
    "text for seconds": _set("seconds", "1 day"),
    "episodes of text": _set("recent_episodes", [["a", "b", "c"]]),
    "huge space": _set("spaces", "observation_space", "shape", [10**6, 10**6]),
    "unknown space": _set("spaces", "observation_space", "kind", "Graph"),
    "no weights": _set("state_dict", {}),
    "text for weights": _set("state_dict", {"policy.value.weight": "7"}),
    "NaN": _weights(lambda weight: weight * float("nan")),
    "other shape": _weights(lambda weight: weight[:1]),
    "claimed size": _weights(lambda weight: torch.zeros(1).expand(10**6, 10**6)),
}
FIT_ONLY = (
    *("trainer.", "callback", "a callback", "save_dir", "logger ", "default_root_dir", "dirpath", "filename"),
    "a path as trainer",
)
"""Beginnings of the names of attacks on what only ``fit`` takes over from a file."""
EVIL = "from pathlib import Path\n\nPath('executed').touch()\nBody = Module = main = lambda *args, **kwargs: None\n"


def hostile(arguments: Any, options: list[str]) -> Iterator[str]:
    """Every attack through ``validate`` or ``fit``, and through ``A3C.load_from_checkpoint``. None does anything."""
    with running(fit(arguments, ["--trainer.max_steps=10", *options])) as process:
        process.wait()
    good = load_verified(LAST)
    Path("evil.py").write_text(EVIL)
    for name in ("evil", "evil.yaml"):
        Path(name).write_text(yaml.safe_dump(RUN))
    for name, attack in ATTACKS.items():
        checkpoint = copy.deepcopy(good)
        checkpoint["config"] = yaml.safe_load(good["config"])
        attack(checkpoint)
        if isinstance(checkpoint.get("config"), dict):
            checkpoint["config"] = yaml.safe_dump(checkpoint["config"])
        file = Path("hostile.ckpt")
        save_atomic(checkpoint, file)
        command = "fit" if name.startswith(FIT_ONLY) else "validate"
        yield from (f"{name}: {problem}" for problem in _attacked(command, file, refused=name not in HARMLESS))
    print(f"{len(ATTACKS)} hostile checkpoints")


def _attacked(command: str, file: Path, *, refused: bool) -> Iterator[str]:
    """What is wrong after a command and Python have read a file."""
    more = ["--data.total_steps=1000", "--trainer.enable_progress_bar=false"] if command == "fit" else []
    before = _files()
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = main([command, f"--ckpt_path={file}", *more])
    message = err.getvalue()
    if code != (2 if refused else 0) or len(message.splitlines()) > (3 if refused else 100):
        yield f"{command}: exit code {code}: {message[-500:]}"
    with contextlib.suppress(ConfigError, CorruptCheckpointError):
        A3C.load_from_checkpoint(file)
    if Path("executed").exists():
        Path("executed").unlink()
        yield f"{command}: it was executed"
    if refused and (new := _files() - before):
        yield f"{command}: files were written: {sorted(new)[:3]}"
    for outside in (Path("outside"), Path("../outside"), Path("/tmp/outside")):
        if outside.exists():
            shutil.rmtree(outside, ignore_errors=True)
            yield f"{command}: the file chose where output goes"


def _files() -> set[str]:
    return {str(path) for path in Path().rglob("*") if "__pycache__" not in path.parts}
