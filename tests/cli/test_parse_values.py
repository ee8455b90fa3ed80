"""What is said to a value of the wrong type, and to a class that cannot be imported or does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from lit_a3c import A3C, MLPBody, RolloutDataModule
from lit_a3c.engines.registry import ENGINES
from lit_a3c.networks.bodies.mlp import ACTIVATIONS
from tests.cli.conftest import Refused

SHORT = ["--engine", "serial", "--data.total_steps", "1", "--data.envs_per_worker", "1"]
FIT, MUJOCO, ATARI = (
    ["fit", "--config", config, *SHORT] for config in ("cartpole.yaml", "inverted_pendulum.yaml", "atari.yaml")
)
NOT_A_NUMBER = "must be a finite number."

VALUES = {
    # name: (arguments, the whole message)
    "steps in words": (["--data.total_steps", "many"], "data.total_steps 'many' must be a whole number."),
    "half a step": (["--data.rollout_length", "2.5"], "data.rollout_length '2.5' must be a whole number."),
    "entropy in words": (["--model.entropy_coef", "some"], f"model.entropy_coef 'some' {NOT_A_NUMBER}"),
    "discount nan": (["--model.gamma", "nan"], f"model.gamma 'nan' {NOT_A_NUMBER}"),
    "infinite value loss": (["--model.value_coef", "inf"], f"model.value_coef 'inf' {NOT_A_NUMBER}"),
    "rate nan": (["--model.optimizer.lr", "nan"], f"model.optimizer.lr 'nan' {NOT_A_NUMBER}"),
    "rate in words": (["--model.optimizer.lr", "fast"], f"model.optimizer.lr 'fast' {NOT_A_NUMBER}"),
    "switch": (["--model.anneal_lr", "perhaps"], "model.anneal_lr 'perhaps' must be true or false."),
    "units in words": (["--model.body.hidden", "many"], "model.body.hidden 'many' must be a list such as [1, 2]."),
    "one unit in words": (["--model.body.hidden", "[8, many]"], "model.body.hidden 'many' must be a whole number."),
    "workers in words": (["--num_workers", "two"], "num_workers 'two' must be a whole number or auto."),
    "half a worker": (["--num_workers", "1.5"], "num_workers '1.5' must be a whole number or auto."),
    "engine": (
        ["--engine", "asinc"],
        "engine 'asinc' must be one of hogwild, async, sync, serial, ray. Did you mean 'async'?",
    ),
    "misspelt hogwild": (
        ["--engine", "hogwold"],
        "engine 'hogwold' must be one of hogwild, async, sync, serial, ray. Did you mean 'hogwild'?",
    ),
    "reduction": (
        ["--model.loss_reduction", "men"],
        "model.loss_reduction 'men' must be one of mean, sum. Did you mean 'mean'?",
    ),
    "activation": (
        ["--model.body.activation", "tanhh"],
        "model.body.activation 'tanhh' must be one of tanh, relu, elu, silu. Did you mean 'tanh'?",
    ),
    "no mapping": (["--data.env_kwargs", "a"], "data.env_kwargs 'a' must be a mapping such as {key: value} or null."),
    "a section": (["--video", "3"], "video '3' must be a mapping of its options."),
    "options of a game": (["--data.atari", "3"], "data.atari '3' must be a mapping of its options or null."),
    "one option of a game": (["--data.atari.sticky", "often"], f"data.atari.sticky 'often' {NOT_A_NUMBER}"),
    "empty": (["--data.total_steps", ""], "data.total_steps '' must be a whole number."),
    "package of a wrapper": (
        ["--data.wrappers+", "no_such_package.Wrapper"],
        "data.wrappers 'no_such_package.Wrapper' is no Wrapper that can be imported. There is no module "
        "'no_such_package'. Did you mean 'RewardWrapper'?",
    ),
    "empty class": (["--model.body", ""], "model.body '' is no Body that can be imported."),
    "a number or a tensor": (
        ["--model.optimizer", "Adam", "--model.optimizer.lr", "fast"],
        f"model.optimizer.lr 'fast' {NOT_A_NUMBER}",
    ),
    "one beta": (
        ["--model.optimizer", "Adam", "--model.optimizer.betas", "0.9"],
        "model.optimizer.betas '0.9' must be a list such as [1, 2].",
    ),
    "betas too few": (
        ["--model.optimizer", "Adam", "--model.optimizer.betas", "[0.9]"],
        "model.optimizer.betas '[0.9]' must be a list of 2 values.",
    ),
    "option of a callback": (
        ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.patience", "long"],
        "trainer.callbacks.patience 'long' must be a whole number.",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_the_wrong_type(name: str, refused: Refused) -> None:
    """The option, what was given, and what it may be."""
    arguments, message = VALUES[name]
    assert refused(*FIT, *arguments) == message


def test_the_precisions_of_lightning(refused: Refused) -> None:
    message = refused(*FIT, "--trainer.precision", "15")
    assert message.startswith("trainer.precision '15' must be one of 64, 32, 16, ")
    assert "bf16-mixed" in message


CLASSES = {
    # name: (arguments, what the message begins with, the class that is suggested)
    "body": (
        [*ATARI, "--model.body", "lit_a3c.NatureBdy"],
        "model.body 'lit_a3c.NatureBdy' is no Body that can be imported.",
        "NatureBody",
    ),
    "body by name": ([*ATARI, "--model.body", "convbody"], "model.body 'convbody' is no Body", "ConvBody"),
    "head": (
        [*FIT, "--model.head", "lit_a3c.GausianHead"],
        "model.head 'lit_a3c.GausianHead' is no ActionHead that can be imported.",
        "GaussianHead",
    ),
    "head by name": ([*MUJOCO, "--model.head", "BetaHed"], "model.head 'BetaHed' is no ActionHead", "BetaHead"),
    "head of a head": (
        [*MUJOCO, "--model.head", "JointHead", "--model.head.box", "BetaHed"],
        "model.head.box 'BetaHed' is no ActionHead",
        "BetaHead",
    ),
    "recurrent core": ([*FIT, "--model.recurrent", "lit_a3c.LTSM"], "model.recurrent 'lit_a3c.LTSM'", "LSTM"),
    "optimizer": (
        [*FIT, "--model.optimizer", "torch.optim.Adm"],
        "model.optimizer 'torch.optim.Adm' is no Optimizer that can be imported.",
        "Adam",
    ),
    "optimizer of two homes": ([*FIT, "--model.optimizer", "RMSProp"], "model.optimizer 'RMSProp'", "lit_a3c.RMSprop"),
    "optimizer of no module": ([*FIT, "--model.optimizer", "nosuch.Adm"], "model.optimizer 'nosuch.Adm'", "Adam"),
    "logger": ([*FIT, "--trainer.logger", "RunLoger"], "trainer.logger 'RunLoger' is no Logger", "RunLogger"),
    "callback": (
        [*FIT, "--trainer.callbacks", "lit_a3c.callbacks.video.VideoRecoder"],
        "trainer.callbacks 'lit_a3c.callbacks.video.VideoRecoder' is no Callback",
        "VideoRecorder",
    ),
    "added callback": (
        [*FIT, "--trainer.callbacks+=EarlyStoping"],
        "trainer.callbacks 'EarlyStoping'",
        "EarlyStopping",
    ),
    "second callback": (
        [*FIT, "--trainer.callbacks", "[{class_path: Timer}, {class_path: EarlyStoping}]"],
        "trainer.callbacks 'EarlyStoping' is no Callback",
        "EarlyStopping",
    ),
    "no such module": (
        [*FIT, "--model.body", "nosuch.module.Thing"],
        "model.body 'nosuch.module.Thing' is no Body that can be imported. There is no module 'nosuch'.",
        None,
    ),
    "a body that is none": ([*FIT, "--model.body", "lit_a3c.RMSprop"], "model.body 'lit_a3c.RMSprop' is no Body", None),
    "a function": ([*FIT, "--model.body", "torch.relu"], "model.body 'torch.relu' is no Body", None),
    "a logger that is none": ([*FIT, "--trainer.logger", "lit_a3c.A3C"], "trainer.logger 'lit_a3c.A3C' is no", None),
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_cannot_be_imported_or_does_not_fit(name: str, refused: Refused) -> None:
    """The suggestion is a class that the option takes, and not any class of that name."""
    arguments, begins, suggested = CLASSES[name]
    message = refused(*arguments)
    assert message.startswith(begins)
    assert message.endswith(f"Did you mean {suggested!r}?") if suggested else "Did you mean" not in message


@pytest.mark.parametrize("line", ["head: BetaHed", "head: {class_path: lit_a3c.BetaHed}"])
def test_a_class_in_a_config(line: str, refused: Refused) -> None:
    Path("mine.yaml").write_text(f"base: mujoco.yaml\nmodel: {{{line}}}\n")
    message = refused("fit", "--config", "mine.yaml", *SHORT)
    assert message.startswith("model.head '")
    assert message.endswith("BetaHed' is no ActionHead that can be imported. Did you mean 'BetaHead'?")


def test_a_class_name_that_two_modules_have(refused: Refused) -> None:
    message = refused(*FIT, "--model.optimizer", "RMSprop")
    assert message.startswith("model.optimizer 'RMSprop' is the name of several classes. Give a path: ")
    assert {"torch.optim.RMSprop", "lit_a3c.RMSprop"} == set(message.partition("path: ")[2].rstrip(".").split(", "))


@pytest.mark.parametrize(
    ("function", "parameter", "choices"),
    [
        (A3C.__init__, "loss_reduction", {"mean", "sum"}),
        (MLPBody.__init__, "activation", set(ACTIVATIONS)),
        (RolloutDataModule.__init__, "engine", set(ENGINES)),
    ],
)
def test_literal_types_say_what_the_constructors_check(function: object, parameter: str, choices: set[str]) -> None:
    """Both have a list of the allowed words."""
    annotation = get_type_hints(function)[parameter]
    words = {word for part in (annotation, *get_args(annotation)) for word in get_args(part) if isinstance(word, str)}
    assert words == choices
