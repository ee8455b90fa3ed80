"""Every private hook of a library that the modules ``compat*.py`` of :mod:`lit_a3c.utils` use is there.

Where a new version of a library drops a hook, the case with the hook's name fails. What the hooks do is tested in
``test_compat_functions.py``.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import multiprocessing.forkserver
import multiprocessing.spawn
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonargparse
import pytest
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer import connectors
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard import SummaryWriter

from lit_a3c.networks.bodies import Body
from lit_a3c.utils import compat, compat_parser, compat_processes
from tests.trainers import quiet


class Hook(NamedTuple):
    """An attribute that a library does not document."""

    library: str
    """What it is an attribute of, by its dotted name."""
    name: str
    """The attribute, or the path to it."""
    owner: Callable[[], Any]
    """Makes or gives the real object or class of the library."""


def action_of_a_class() -> argparse.Action:
    """The action of an option whose value is a class."""
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--body", type=Body)
    return next(action for action in parser._actions if action.dest == "body")


def learners() -> Any:
    """The strategy of several learners, whose processes have not been started."""
    return quiet(strategy="ddp", devices=2).strategy


HOOKS = [
    Hook("lightning.pytorch.cli.LightningCLI", "_parse_ckpt_path", lambda: LightningCLI),
    Hook("lightning.pytorch.cli.LightningCLI", "_parser", lambda: LightningCLI),
    Hook("lightning.pytorch.cli.LightningArgumentParser", "callback_keys", LightningArgumentParser),
    Hook("lightning.pytorch.Trainer", "fit_loop.epoch_loop.batch_progress.current.ready", quiet),
    Hook("lightning.pytorch.Trainer", "fit_loop.epoch_loop.batch_progress.total.ready", quiet),
    Hook(
        "lightning.pytorch.Trainer", "fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step", quiet
    ),
    Hook("lightning.pytorch.Trainer", "fit_loop.epoch_loop._batches_that_stepped", quiet),
    Hook("lightning.pytorch.Trainer", "val_check_batch", quiet),
    Hook("lightning.pytorch.Trainer", "callbacks", quiet),
    Hook("lightning.pytorch.Trainer", "datamodule", quiet),
    Hook("lightning.pytorch.Trainer", "log_every_n_steps", quiet),
    Hook("lightning.pytorch.Trainer", "fast_dev_run", quiet),
    Hook("lightning.pytorch.Trainer", "_detect_anomaly", quiet),
    Hook("lightning.pytorch.Trainer", "overfit_batches", quiet),
    Hook("lightning.pytorch.Trainer", "_signal_connector._sigterm_notifier_fn", quiet),
    Hook("lightning.pytorch.Trainer", "_signal_connector._slurm_sigusr_handler_fn", quiet),
    Hook("lightning.pytorch.strategies.DDPStrategy", "_ddp_kwargs", DDPStrategy),
    Hook("lightning.pytorch.strategies.DDPStrategy", "_start_method", DDPStrategy),
    Hook("lightning.pytorch.strategies.DDPStrategy", "launcher.procs", learners),
    Hook("lightning.pytorch.strategies.DDPStrategy", "cluster_environment.creates_processes_externally", learners),
    Hook("lightning.pytorch.strategies.DDPStrategy", "barrier", learners),
    Hook("lightning.pytorch.strategies.DDPStrategy", "broadcast", learners),
    Hook("lightning.pytorch.strategies.DDPStrategy", "reduce_boolean_decision", learners),
    Hook(
        "lightning.fabric.strategies.launchers.subprocess_script._ChildProcessObserver",
        "_child_processes",
        lambda: _ChildProcessObserver(0, []),
    ),
    Hook("lightning.pytorch.Trainer", "reload_dataloaders_every_n_epochs", quiet),
    Hook("lightning.pytorch.LightningModule", "_trainer", LightningModule),
    Hook(
        "lightning.pytorch.trainer.connectors", "checkpoint_connector._CheckpointConnector.restore", lambda: connectors
    ),
    Hook("lightning.pytorch.utilities.rank_zero_only", "rank", lambda: rank_zero_only),
    Hook("torch.utils.tensorboard.SummaryWriter", "_get_file_writer", lambda: SummaryWriter),
    Hook("argparse.ArgumentParser", "_actions", argparse.ArgumentParser),
    Hook("jsonargparse.ArgumentParser", "_actions", jsonargparse.ArgumentParser),
    Hook("jsonargparse._typehints.ActionTypeHint", "_typehint", action_of_a_class),
    Hook("jsonargparse", "_typehints.get_class_types", lambda: jsonargparse),
    Hook("jsonargparse", "_typehints.get_all_subclass_paths", lambda: jsonargparse),
    Hook("jsonargparse", "_util.import_object", lambda: jsonargparse),
    Hook("multiprocessing.forkserver", "_forkserver._forkserver_address", lambda: multiprocessing.forkserver),
]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: f"{hook.library}.{hook.name}")
def test_the_library_has(hook: Hook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real object has the attribute."""
    monkeypatch.chdir(tmp_path)
    try:
        operator.attrgetter(hook.name)(hook.owner())
    except AttributeError as error:
        pytest.fail(f"{hook.library} no longer has {hook.name}, which lit_a3c.utils uses: {error}")


def test_multiprocessing_marks_a_process_that_imports_the_main_script() -> None:
    """``current_process()._inheriting`` is set by both start methods, and is there at no other time."""
    for module in (multiprocessing.forkserver, multiprocessing.spawn):
        assert "current_process()._inheriting = True" in inspect.getsource(module)
    assert not compat_processes.imports_main_script()


def test_no_hook_is_left_out() -> None:
    """Each private name in the source of the modules is a part of a hook above."""
    modules = (compat, compat_parser, compat_processes)
    nodes = [node for module in modules for node in ast.walk(ast.parse(Path(module.__file__).read_text()))]
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.alias(name=name):
                names.add(name)
            case ast.Call(func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                names.add(name)
    private = {name for name in names if name.startswith("_") and not name.startswith("__")}
    known = {part for hook in HOOKS for part in f"{hook.library}.{hook.name}".split(".")}
    known.add("_inheriting")  # is there for a moment only, see above
    assert private
    assert private <= known
