"""The command line proper: LightningCLI with recipes by name, checkpoints that carry their recipe, and kind errors."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.plugins import CheckpointIO

from lit_a3c.callbacks.progress import StepProgressBar
from lit_a3c.callbacks.scores import ScoreTable
from lit_a3c.callbacks.stop import StopOnSignal
from lit_a3c.callbacks.video import VideoRecorder
from lit_a3c.checkpoints import read_checkpoint
from lit_a3c.data import RolloutData
from lit_a3c.errors import ConfigError
from lit_a3c.guard import NotFiniteError
from lit_a3c.messages import explain
from lit_a3c.module import A3C
from lit_a3c.processes import WorkerError
from lit_a3c.recipes import with_files
from lit_a3c.sealed import SafeCheckpointIO
from lit_a3c.signals import INTERRUPTION
from lit_a3c.strategies import Hogwild
from lit_a3c.trainer_options import check_trainer_options

RECIPE_SECTIONS = ("seed_everything", "model", "data", "trainer")


def run(argv: list[str]) -> int:
    """Run a command.

    Args:
        argv: The command and its options.

    Returns:
        The exit code.

    Raises:
        ConfigError: The request cannot work.
    """
    _quieten()
    try:
        A3CCommandLine(
            A3C,
            RolloutData,
            save_config_callback=RecipeKeeper,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=True,
            parser_class=Parser,
            auto_configure_optimizers=False,
            trainer_defaults={"max_epochs": -1, "num_sanity_val_steps": 0, "enable_model_summary": False},
            args=with_files(argv),
        )
    except ParseError as error:
        raise ConfigError(explain(str(error), error.parser)) from error
    except (WorkerError, NotFiniteError) as error:
        if INTERRUPTION.signum is None:  # else it is of the shutting down
            print(f"lit-a3c: {error}", file=sys.stderr)
        return 1
    except (SystemExit, KeyboardInterrupt) as stop:  # Lightning turns the one into the other where it can
        return stop.code if isinstance(stop, SystemExit) and isinstance(stop.code, int) else 1
    return 0


class ParseError(ConfigError):
    """jsonargparse's message as it came, since parsers of nested classes quote each other's."""

    def __init__(self, message: str, parser: LightningArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class Parser(LightningArgumentParser):
    """A parser whose errors are one short message, and that takes no abbreviated option for another."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Refuse what was given.

        Raises:
            ParseError: Always.
        """
        raise ParseError(message, self) from ex


class A3CCommandLine(LightningCLI):
    """LightningCLI whose module learns its spaces and budget from the data module."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.link_arguments("data.spec", "model.spec", apply_on="instantiate")
        parser.link_arguments("data.total_steps", "model.total_steps")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and refuse numbers that Lightning takes without a word or with a traceback.

        Raises:
            ConfigError: One of them is given.
        """
        super().parse_arguments(parser, args)
        check_trainer_options(self.config[self.config.subcommand])

    def _parse_ckpt_path(self) -> None:
        """Lightning lets a checkpoint's hyperparameters override the command line; here its recipe comes first."""

    def before_instantiate_classes(self) -> None:
        """Name the run after its environment, and refuse a directory that cannot be written to."""
        trainer = self.config[self.subcommand].trainer
        if self.subcommand != "fit" or not trainer.logger:
            return
        options = trainer.logger.get("init_args") if not isinstance(trainer.logger, bool | list) else None
        if options is not None and "save_dir" in options:
            _continue_run(options, self.config[self.subcommand].ckpt_path)
            if options.get("name") is None:
                options["name"] = self.config[self.subcommand].data.env_id.split("/")[-1].split(":")[-1]
            _check_writable(options["save_dir"])
            run = Path(options["save_dir"], options["name"], str(options.get("version")), "checkpoints")
            if run.is_dir():  # of a run that goes on
                _check_writable(str(run))

    def before_fit(self) -> None:
        """Say what is about to run, and where its files go.

        Raises:
            ConfigError: The run to go on with has had its steps.
        """
        checkpoint = self.config[self.subcommand].ckpt_path
        if checkpoint and (done := read_checkpoint(Path(checkpoint))["steps"]) >= self.datamodule.total_steps:
            raise ConfigError(f"the run has finished its {done:,} steps. Give it more with --data.total_steps.")
        data, where = self.datamodule, self.trainer.log_dir or self.trainer.default_root_dir
        mode, workers = data.mode, data.num_workers
        if isinstance(self.trainer.strategy, Hogwild):
            mode, workers = Hogwild.strategy_name, self.trainer.strategy.num_processes
        print(
            f"lit-a3c: {data.env.env_id}, {data.total_steps:,} steps, {mode}, {workers} workers of "
            f"{data.envs_per_worker} environments; files in {where}",
            flush=True,
        )

    def instantiate_classes(self) -> None:
        """Make everything; a value that a class of Lightning or torch refuses is the user's to mend.

        Raises:
            ConfigError: With the class's own reason.
        """
        try:
            super().instantiate_classes()
        except ConfigError:
            raise
        except (TypeError, ValueError, MisconfigurationException) as error:
            raise ConfigError(str(error).strip().splitlines()[0]) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand].trainer
        callbacks: list[Callback] = list(config.callbacks or [])
        if self.subcommand == "fit":
            callbacks.insert(0, StopOnSignal())  # before those that film at the end
        else:
            kwargs.setdefault("logger", False)
            callbacks.append(ScoreTable())
            if not any(isinstance(callback, VideoRecorder) for callback in callbacks):
                callbacks.append(VideoRecorder())
        if config.enable_progress_bar is not False:
            callbacks.append(StepProgressBar())
        plugins = config.plugins if isinstance(config.plugins, list) else [p for p in [config.plugins] if p is not None]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, SafeCheckpointIO()]
        return super().instantiate_trainer(callbacks=callbacks, **kwargs)


class RecipeKeeper(SaveConfigCallback):
    """Writes the recipe of a training into its directory and into its checkpoints."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        recipe = yaml.safe_load(self.parser.dump(self.config, skip_none=False, format="yaml"))
        checkpoint["recipe"] = yaml.safe_dump({key: recipe[key] for key in RECIPE_SECTIONS if key in recipe})


def _continue_run(logger: Any, checkpoint: Any) -> None:
    """A resumed run goes on in its own directory, unless the options name another."""
    if checkpoint is None or logger.get("version") is not None:
        return
    run = Path(checkpoint).absolute().parents[1]
    if Path(logger["save_dir"]).absolute() == run.parents[1] and logger.get("name") in (None, run.parent.name):
        logger["name"], logger["version"] = run.parent.name, run.name


def _check_writable(directory: str) -> None:
    """By writing as much as a small checkpoint: on a full disk an empty file may still be made."""
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"the output directory {directory!r} cannot be written to: {error.strerror}.") from error


def _quieten() -> None:
    """Warnings of libraries about their own insides, which no user of ours can act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in (
        ".*args parameter is intended to run from within Python.*",
        ".*treespec.*",
        ".*does not have many workers.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*Previous log files in this directory will be deleted.*",
        ".*The dirpath has changed from.*",
        ".*your dataloader is not resumable.*",
        ".*smaller than the logging interval.*",
        ".*The environment .* is out of date.*",
        ".*settotalmass.*",
        ".*Trying to infer the `batch_size`.*",
    ):
        warnings.filterwarnings("ignore", message=message)
