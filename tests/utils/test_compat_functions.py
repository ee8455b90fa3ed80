"""What the functions and mixins of the modules ``compat*.py`` do with the real libraries."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from lit_a3c import MLPBody, RMSprop
from lit_a3c.engines.base import OptimizerFactory
from lit_a3c.networks.bodies import Body
from lit_a3c.utils import compat, compat_parser, compat_processes
from tests.trainers import quiet

pytestmark = pytest.mark.filterwarnings("ignore:.*args parameter is intended to run from within Python")


class Line(LightningModule):
    """Learns nothing of use, quickly."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.layer, self.rate = torch.nn.Linear(1, 1), rate

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> Optimizer:
        return torch.optim.SGD(self.parameters(), self.rate)


class Zeros(LightningDataModule):
    """Eight batches."""

    def train_dataloader(self) -> Any:
        return DataLoader(torch.zeros(8, 1))  # type: ignore[arg-type]

    val_dataloader = train_dataloader


@pytest.mark.parametrize(("mixins", "rate"), [((), 0.3), ((compat.CheckpointConfigFirst,), 0.5)])
def test_options_override_a_checkpoints_hyperparameters(mixins: tuple[type, ...], rate: float, tmp_path: Path) -> None:
    """Lightning's own command line lets those of the checkpoint win."""
    torch.save({"hyper_parameters": {"rate": 0.3}}, tmp_path / "a.ckpt")
    parsed = []

    class StopError(Exception):
        pass

    class CLI(*mixins, LightningCLI):  # type: ignore[misc]
        def before_instantiate_classes(self) -> None:
            parsed.append(self.config.validate.model.rate)
            raise StopError

    with pytest.raises(StopError):
        CLI(
            Line,
            Zeros,
            seed_everything_default=False,
            args=["validate", "--ckpt_path", str(tmp_path / "a.ckpt"), "--model.rate", "0.5"],
        )
    assert parsed == [rate]


@pytest.mark.parametrize("removed", [False, True])
def test_a_removed_section_adds_no_callback(removed: bool) -> None:
    """The sections are those of the callbacks that were added to the parser."""

    class CLI(LightningCLI):
        def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
            parser.add_lightning_class_args(EarlyStopping, "early")
            parser.set_defaults({"early.monitor": "loss"})

        def instantiate_trainer(self, **kwargs: Any) -> Trainer:
            assert compat.callback_sections(self) == ["early"]
            if removed:
                compat.callback_sections(self).remove("early")
            return super().instantiate_trainer(**kwargs)

    cli = CLI(
        Line,
        Zeros,
        run=False,
        save_config_callback=None,
        seed_everything_default=False,
        trainer_defaults={"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
        args=[],
    )
    assert any(isinstance(callback, EarlyStopping) for callback in cli.trainer.callbacks) != removed


class Notes(Callback):
    """What the functions say during a training, and when it was validated."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.intervals: list[tuple[int, int] | None] = []
        self.validated: list[int] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert compat.trainer_of(pl_module) is trainer
        assert isinstance(compat.datamodule_of(trainer), Zeros)
        assert self in compat.callbacks_of(trainer)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.started.append(compat.batches_started(trainer))
        self.intervals.append(compat.validation_interval(trainer))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated.append(trainer.global_step)


@pytest.mark.parametrize("epochs", [None, 1])
def test_a_training_is_seen_as_it_is(epochs: int | None) -> None:
    """Batches are counted as they begin, of the epoch or of all, as Lightning does to validate."""
    notes = Notes()
    trainer = quiet(
        max_epochs=2, val_check_interval=3, check_val_every_n_epoch=epochs, num_sanity_val_steps=0, callbacks=[notes]
    )
    trainer.fit(Line(), datamodule=Zeros())
    assert notes.started == 2 * list(range(1, 9))
    assert notes.intervals == [(n, 3) for n in (range(1, 17) if epochs is None else 2 * list(range(1, 9)))]
    assert notes.validated == ([3, 6, 9, 12, 15] if epochs is None else [3, 6, 11, 14])


@pytest.mark.parametrize("options", [{}, {"val_check_interval": "00:00:01:00", "check_val_every_n_epoch": None}])
def test_without_an_interval_of_batches_there_is_none(options: dict[str, Any]) -> None:
    """Before a training, and where validations go by the clock."""
    trainer = quiet(max_steps=1, **options)
    assert compat.validation_interval(trainer) is None
    if options:
        trainer.fit(Line(), datamodule=Zeros())
        assert compat.validation_interval(trainer) is None


class Skips(Callback):
    """Lets Lightning skip four batches before its second one."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if compat.batches_started(trainer) == 2:
            compat.skip_batches(trainer, 4)


@pytest.mark.parametrize(("accumulate", "max_steps", "seen"), [(1, 7, [3, 3]), (2, 4, [4, 4])])
def test_skipped_batches_count_for_everything(accumulate: int, max_steps: int, seen: list[int]) -> None:
    """Steps of the optimizer, validations and the end. Of eight batches four are left."""

    class Batches(Callback):
        number = 0

        def on_train_batch_start(self, *_: Any) -> None:
            self.number += 1

    notes, batches = Notes(), Batches()
    trainer = quiet(
        max_steps=max_steps,
        accumulate_grad_batches=accumulate,
        val_check_interval=7,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=[batches, Skips(), notes],
    )
    trainer.fit(Line(), datamodule=Zeros())
    assert trainer.global_step == max_steps
    assert [batches.number, len(notes.started)] == seen
    assert notes.validated == [7 // accumulate]


def test_alone_a_trainer_has_no_data_and_a_module_no_trainer() -> None:
    """Lightning's public property of the module raises an error instead."""
    assert compat.datamodule_of(quiet()) is None
    assert compat.trainer_of(Line()) is None


def test_options_of_a_trainer_are_read() -> None:
    """They are those that it was made with."""
    assert compat.log_interval(quiet(log_every_n_steps=7)) == 7
    assert [compat.is_fast_dev_run(quiet(fast_dev_run=given)) for given in (False, True)] == [False, True]


def test_other_ranks_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function for rank zero does nothing there."""
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    said: list[int] = []
    say = rank_zero_only(said.append)
    for rank in (0, 1, 0):
        compat_processes.set_rank(rank)
        say(rank)
    assert said == [0, 0]


def test_events_go_to_another_writer() -> None:
    """All of them, those after a ``close`` included, and the mark from which TensorBoard hides older ones."""

    class Recorder:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def get_logdir(self) -> str:
            return "nowhere"

        def add_event(self, event: Any) -> None:
            self.steps.append(event.step)

        def flush(self) -> None:
            pass

        close = flush

    class Writer(compat.WithEventWriter, SummaryWriter):
        event_writer = Recorder()

    writer = Writer("nowhere", purge_step=7)
    writer.add_scalar("loss", 1.0, 10)
    writer.close()
    writer.add_scalar("loss", 1.0, 20)
    assert writer.event_writer.steps == [7, 10, 20]
    assert not Path("nowhere").exists()


def test_an_image_is_written_as_it_is(tmp_path: Path) -> None:
    """TensorBoard finds the very bytes, so an animation stays one."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with SummaryWriter(str(tmp_path)) as writer:
        compat.add_encoded_image(writer, "video", b"GIF89a...", width=7, height=5, step=300)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (image,) = events.Images("video")
    assert (image.step, image.width, image.height, image.encoded_image_string) == (300, 7, 5, b"GIF89a...")


def test_the_actions_of_a_parser_are_its_options() -> None:
    """This holds for jsonargparse's own kind of option, too."""
    parser = LightningArgumentParser()
    parser.add_argument("--rate", type=float)
    parser.add_argument("--body", type=Body)
    assert {action.dest for action in compat_parser.actions_of(parser)} >= {"help", "rate", "body"}


def test_the_classes_that_an_option_takes() -> None:
    """They are those of its type, or those that a function returns. Subclasses have their import paths."""
    parser = LightningArgumentParser()
    parser.add_argument("--rate", type=float)
    parser.add_argument("--body", type=Body)
    parser.add_argument("--optimizer", type=OptimizerFactory)
    actions = {action.dest: action for action in compat_parser.actions_of(parser)}
    for action in (None, actions["help"], actions["rate"]):
        assert compat_parser.accepted_classes(action) == ((), {})
    assert compat_parser.type_hint_of(actions["rate"]) is float
    assert compat_parser.type_hint_of(actions["optimizer"]) is OptimizerFactory
    body, optimizer = (compat_parser.accepted_classes(actions[name]) for name in ("body", "optimizer"))
    assert (body.types, optimizer.types) == ((Body,), (Optimizer,))
    assert MLPBody in body.subclasses.values()
    assert Body not in body.subclasses.values()
    assert {RMSprop, torch.optim.Adam} <= set(optimizer.subclasses.values())
    assert MLPBody not in optimizer.subclasses.values()


def test_a_class_that_no_module_has_cannot_be_named() -> None:
    """Lightning makes such subclasses of optimizers in a training. The others are found all the same."""
    made = type("MadeInATraining", (torch.optim.SGD,), {"__module__": RMSprop.__module__})
    parser = LightningArgumentParser()
    parser.add_argument("--optimizer", type=OptimizerFactory)
    action = next(action for action in compat_parser.actions_of(parser) if action.dest == "optimizer")
    found = compat_parser.accepted_classes(action).subclasses.values()
    assert made not in found
    assert RMSprop in found


def test_a_factory_without_the_parser() -> None:
    """What the command line makes of a class path can be sent to another process, and makes the same."""
    parser = LightningArgumentParser()
    parser.add_argument("--optimizer", type=OptimizerFactory)
    config = parser.parse_args(["--optimizer=torch.optim.SGD", "--optimizer.lr=0.5"])
    made = parser.instantiate_classes(config).optimizer
    plain = compat_parser.plain_factory(made)
    assert (plain.func, plain.args, plain.keywords["lr"]) == (torch.optim.SGD, (), 0.5)
    assert pickle.loads(pickle.dumps(plain)).func is torch.optim.SGD
    own = functools.partial(torch.optim.SGD, lr=0.1)
    assert compat_parser.plain_factory(own) is own
    assert compat_parser.plain_factory(torch.optim.SGD) is torch.optim.SGD
