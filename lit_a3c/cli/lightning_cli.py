"""LightningCLI with one switch for the engine, configs by name, and checkpoints that carry their config."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO

from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.callbacks.progress import StepProgressBar
from lit_a3c.callbacks.score_table import ScoreTable
from lit_a3c.callbacks.stop_on_signal import StopOnSignal
from lit_a3c.callbacks.validation_scores import ValidationScores
from lit_a3c.callbacks.video import VideoRecorder
from lit_a3c.checkpoint.find import read_checkpoint
from lit_a3c.checkpoint.io import SafeCheckpointIO
from lit_a3c.cli.arguments import Answered, Debug
from lit_a3c.cli.class_errors import format_class_error, raised_by_lightning
from lit_a3c.cli.configs import LINKS, TRUST, defaults, with_files
from lit_a3c.cli.help import HelpAll
from lit_a3c.cli.init_from import INIT_FROM, init_from
from lit_a3c.cli.library_lines import print_reasons, silence_library_warnings
from lit_a3c.cli.loggers import connect, disconnect, lock_directory, place_loggers
from lit_a3c.cli.parse_errors import ParseError, Parser, format_parse_error
from lit_a3c.cli.parts import fit_parts, spaces_of
from lit_a3c.cli.run_directory import check_checkpoint_directories
from lit_a3c.cli.save_config import SaveConfigToCheckpoint
from lit_a3c.cli.several_learners import LearnerProcesses
from lit_a3c.cli.summary import print_start, print_summary
from lit_a3c.cli.validation import check_monitors, check_options, trainer_options
from lit_a3c.datamodule import RolloutDataModule
from lit_a3c.engines.learner_errors import check_connection
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.registry import EngineName, open_cluster
from lit_a3c.engines.trainer_check import check_trainer
from lit_a3c.metrics.logger import start_run
from lit_a3c.module import A3C
from lit_a3c.optim import try_optimizer
from lit_a3c.utils import compat
from lit_a3c.utils.disk import DiskError
from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.one_line import one_line
from lit_a3c.utils.signals import INTERRUPTION

CALLBACKS = {
    "best_checkpoint": ModelCheckpoint,
    "last_checkpoint": LastCheckpoint,
    "video": VideoRecorder,
    "progress": StepProgressBar,
}
"""Callbacks that every training has, each with a section of the config. ``trainer.callbacks`` adds further ones."""


def run(argv: list[str], cli: Callable[[list[str]], LightningCLI] | None = None) -> int:
    """Run a command.

    Args:
        argv: The command and its options.
        cli: Runs it; :class:`A3CCLI` by default.

    Returns:
        The exit code.

    Raises:
        ConfigError: The request cannot work.
        RunError: The run has failed.
    """
    silence_library_warnings()
    try:
        (cli or A3CCLI)(argv)
    except ParseError as error:
        raise ConfigError(format_parse_error(error)) from error
    except Answered:
        return 0
    except (SystemExit, KeyboardInterrupt) as stop:  # Lightning turns the second into the first where it can
        cause = stop.__context__ if isinstance(stop.__context__, KeyboardInterrupt) else stop
        raise RunError(f"the run was ended from inside, before it had finished: {one_line(cause)}.") from stop
    except (MisconfigurationException, ModuleNotFoundError) as error:  # Lightning looks at some options only now
        raise ConfigError(str(error).strip().splitlines()[0]) from error
    except DiskError as error:
        raise ConfigError(f"{error.filename!r} cannot be written to: {error.strerror}.") from error
    except (ConfigError, RunError):
        raise
    except Exception as error:
        if compat.raised_while_restoring(error):
            raise ConfigError(f"the checkpoint cannot be restored: {one_line(error)}.") from error
        check_connection(error)
        if raised_by_lightning(error):
            raise RunError(f"the run has failed: {one_line(error)}.") from error
        raise
    return 0


class A3CCLI(compat.CheckpointConfigFirst, LightningCLI):
    """LightningCLI whose module learns its spaces and budget from the data module.

    Args:
        argv: The command and its options.
    """

    def __init__(self, argv: list[str]) -> None:
        self._command, self._given = argv[0], argv[1:]
        with contextlib.ExitStack() as self._at_the_end:  # of a training, however it ends
            super().__init__(
                A3C,
                RolloutDataModule,
                save_config_callback=SaveConfigToCheckpoint,
                save_config_kwargs={"save_to_log_dir": False, "command": argv},
                seed_everything_default=True,
                parser_class=Parser,
                auto_configure_optimizers=False,
                args=with_files(argv),
            )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The one command that is run. The parsers of the others would take a tenth of a second."""
        return {self._command: super().subcommands()[self._command]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--engine",
            type=EngineName,
            help="Who steps the environments, and where gradients are applied. hogwild: lock-free workers (the paper's "
            "A3C). async: one learner and workers that do not wait. sync: one learner that waits for all (A2C). "
            "serial: no processes, reproducible to the bit. ray: async with workers on a Ray cluster.",
        )
        parser.add_argument(
            "--num_workers",
            type=int | Literal["auto"],
            help="Worker processes. auto: one for each core, at most 16; 1 with serial; what a cluster has room for.",
        )
        parser.add_class_arguments(RayOptions, "ray")
        parser.add_argument(
            TRUST,
            action="store_true",
            help="Let the config in --ckpt_path name any class and any environment. What it names is imported and "
            "called, so give this option only for a file of your own.",
        )
        parser.add_argument(
            INIT_FROM,
            type=str | None,
            help="For fit: begin from the weights and running statistics of a checkpoint, with new counters. The "
            "environment and the network may be others. Layers that do not fit stay new, and are listed.",
        )
        parser.add_argument("--help-all", action=HelpAll)
        parser.add_argument("--debug", action=Debug, help="With every error of one line its traceback.")
        for section, callback in CALLBACKS.items():
            parser.add_lightning_class_args(callback, section)
        for target, source in LINKS.items():
            parser.link_arguments(source, target, apply_on="instantiate" if source == "data.spaces" else "parse")
        parser.set_defaults(defaults())

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and refuse what contradicts itself and what Lightning would take without a message.

        Raises:
            ConfigError: Such an option is given.
        """
        try:
            super().parse_arguments(parser, args)
        except OverflowError as error:
            raise ConfigError(f"a number in the options or in a config is too large: {error}.") from error
        command = self.config.subcommand
        if self.config[command].trust_checkpoint:  # the flag itself has been taken out of the arguments
            raise ConfigError(f"{TRUST} is a flag of the command line. A config cannot set it.")
        check_options(self.config[command], command)

    def before_instantiate_classes(self) -> None:
        """Name the run, refuse a directory that cannot be written to, and let the network's parts fit the spaces."""
        config = self.config[self.subcommand]
        lines = fit_parts(config.model, spaces_of(config.data), self._given)
        if self.subcommand == "fit":
            if config.engine == "ray":
                open_cluster(RayOptions(**config.ray), config.num_workers)
            place_loggers(config)  # makes a directory, so what else may be refused comes first
        else:
            config.trainer.logger = False  # its directory and its run are those of a training
        for line in lines:
            print(f"lit-a3c: {line}", file=sys.stderr)

    def before_fit(self) -> None:
        """Refuse what cannot work, take the directory of the run, and say what is about to run.

        Raises:
            ConfigError: The run to go on with has had its steps, or another process trains in its directory, or the
                directory holds another run.
        """
        config, data = self.config[self.subcommand], self.datamodule
        data.trainer = self.trainer
        check_trainer(self.trainer)
        self._at_the_end.push(LearnerProcesses(self.trainer, [self._command, *self._given]).end)
        check_monitors(self.trainer)
        if config.init_from and not config.ckpt_path:  # a run that goes on has weights of its own
            init_from(self.model, config.init_from)
        if config.ckpt_path:
            checkpoint = read_checkpoint(Path(config.ckpt_path))
            if (done := checkpoint["steps"] - checkpoint.get("first_step", 0)) >= data.total_steps:
                raise ConfigError(f"the run has finished its {done:,} steps. Give it more with --data.total_steps.")
        try_optimizer(self.model.make_optimizer, self.model.policy.parameters())
        check_checkpoint_directories(self.trainer)
        self._at_the_end.push(self._end)
        connect(self.trainer)
        if (lock := lock_directory(self.trainer, config.ckpt_path)) is not None:
            self._at_the_end.callback(lock.release)
        start_run(self.trainer, config.ckpt_path)
        print_start(self.trainer, data, config.engine)

    def _end(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End the runs of the loggers, and say what has become of the training and what to do next."""
        for callback in compat.callbacks_of(self.trainer):
            if isinstance(callback, StopOnSignal):
                callback.requeue(self.trainer)
        disconnect(self.trainer, failed=error is not None)
        if INTERRUPTION.training:  # else it was refused
            print_summary(self.trainer, stopped=error is not None)

    def after_fit(self) -> None:
        """Say why a training has ended before its budget was used up. Lightning says it only with ``verbose``."""
        print_reasons(self.trainer)

    def instantiate_classes(self) -> None:
        """Make everything; a value that a class of Lightning or torch refuses is the user's to change.

        Raises:
            ConfigError: With the class's own reason.
        """
        try:
            super().instantiate_classes()
        except ConfigError:
            raise
        except (TypeError, ValueError, OverflowError, ImportError, RuntimeError, MisconfigurationException) as error:
            if isinstance(error, RuntimeError) and not raised_by_lightning(error):
                raise  # by the machine, say
            raise ConfigError(format_class_error(error)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand]
        sections = compat.callback_sections(self)
        if config.trainer.enable_progress_bar is False:
            sections.remove("progress")
        if config.trainer.enable_checkpointing is False:
            sections[:] = [section for section in sections if not section.endswith("_checkpoint")]
        # Lightning warns of a callback that has a state in the checkpoint and is not there.
        callbacks = [ValidationScores(), *(config.trainer.callbacks or [])]
        if self.subcommand == "fit":
            callbacks.insert(0, StopOnSignal())  # before those that record at the end
        else:
            kwargs.setdefault("logger", False)
            callbacks.append(ScoreTable())
        plugins = config.trainer.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, SafeCheckpointIO()]
        kwargs.update(trainer_options(config, fit=self.subcommand == "fit"))
        return super().instantiate_trainer(callbacks=callbacks, **kwargs)
