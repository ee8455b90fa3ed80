"""What is said to an option or a value that nothing accepts: the nearest that the parser or the chosen class does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lightning.pytorch import Callback

from tests.cli.conftest import Refused

CARTPOLE, MUJOCO, ATARI = (
    ["fit", "--config", config, "--engine", "serial", "--data.total_steps", "1"]
    for config in ("cartpole.yaml", "mujoco_beta.yaml", "atari.yaml")
)
"""Should an option be accepted one day, it trains for one step."""


class Announcer(Callback):
    """A callback of the user.

    Args:
        greeting: What it says.
        loudness: How.
    """

    def __init__(self, greeting: str = "hello", loudness: int = 1) -> None:
        self.greeting, self.loudness = greeting, loudness


MINE = f"{__name__}.{Announcer.__name__}"

MISSPELT = {
    # option: (arguments before it, what is meant)
    "model.body.cente": (ATARI, "model.body.center"),
    "model.body.normalise": (ATARI, "model.body.normalize"),
    "model.body.gian": (MUJOCO, "model.body.gain"),
    "model.body.activatoin": (CARTPOLE, "model.body.activation"),
    "model.body.hiden": (CARTPOLE, "model.body.hidden"),
    "model.body.vectr": ([*CARTPOLE, "--model.body", "DictBody"], "model.body.vector"),
    "model.head.init_concentratio": (MUJOCO, "model.head.init_concentration"),
    "model.head.init_log_st": ([*MUJOCO, "--model.head", "lit_a3c.GaussianHead"], "model.head.init_log_std"),
    "model.head.num_component": ([*MUJOCO, "--model.head", "MixtureHead"], "model.head.num_components"),
    "model.head.box.init_concentratio": (
        [*MUJOCO, "--model.head", "JointHead", "--model.head.box", "BetaHead"],
        "model.head.box.init_concentration",
    ),
    "model.recurrent.hidden_siz": ([*CARTPOLE, "--model.recurrent", "LSTM"], "model.recurrent.hidden_size"),
    "model.optimizer.lrr": (CARTPOLE, "model.optimizer.lr"),
    "model.optimizer.initial_accumulator_valu": (CARTPOLE, "model.optimizer.initial_accumulator_value"),
    "model.optimizer.beta": ([*CARTPOLE, "--model.optimizer", "Adam"], "model.optimizer.betas"),
    "model.optimizer.nestrov": ([*CARTPOLE, "--model.optimizer", "torch.optim.SGD"], "model.optimizer.nesterov"),
    "data.atari.stiky": (ATARI, "data.atari.sticky"),
    "data.atari.frame_skp": ([*ATARI, "--data.atari.sticky", "0.25"], "data.atari.frame_skip"),
    "trainer.logger.nam": (CARTPOLE, "trainer.logger.name"),
    "trainer.logger.versio": (CARTPOLE, "trainer.logger.version"),
    "trainer.logger.flush_sec": (CARTPOLE, "trainer.logger.flush_secs"),  # of Lightning's, which RunLogger builds on
    "trainer.callbacks.greting": ([*CARTPOLE, f"--trainer.callbacks+={MINE}"], "trainer.callbacks.greeting"),
    "trainer.callbacks.patienc": (
        [*CARTPOLE, "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=x"],
        "trainer.callbacks.patience",
    ),
    "trainer.strategy.proces_group_backend": (
        [*CARTPOLE, "--trainer.strategy", "DDPStrategy"],
        "trainer.strategy.process_group_backend",
    ),
    "video.every_n_step": (CARTPOLE, "video.every_n_steps"),
    "last_checkpoint.every_n_update": (CARTPOLE, "last_checkpoint.every_n_updates"),
    "best_checkpoint.filenam": (CARTPOLE, "best_checkpoint.filename"),
    "progress.refresh": (CARTPOLE, "progress.refresh_rate"),
    "trainer.max_epoch": (CARTPOLE, "trainer.max_epochs"),
    "data.envs_per_workers": (CARTPOLE, "data.envs_per_worker"),
    "data.totl_steps": (CARTPOLE, "data.total_steps"),
    "data.env": (CARTPOLE, "data.env_id"),  # nothing may be abbreviated
    "model.gama": (CARTPOLE, "model.gamma"),
    "model.entropy": (CARTPOLE, "model.entropy_coef"),
    "modle.gamma": (CARTPOLE, "model.gamma"),
    "model.boddy.hidden": (CARTPOLE, "model.body.hidden"),
    "total_steps": (CARTPOLE, "data.total_steps"),
    "model.total_steps": (CARTPOLE, "data.total_steps"),
    "engin": (CARTPOLE, "engine"),
    "num_worker": (CARTPOLE, "num_workers"),
}


@pytest.mark.parametrize("option", MISSPELT)
def test_a_misspelt_option(option: str, refused: Refused) -> None:
    """The right one is suggested, in one line."""
    before, meant = MISSPELT[option]
    message = refused(*before, f"--{option}", "1")
    assert re.fullmatch(rf"there is no option '--{option}'( of \w+)?\. Did you mean '--{meant}'\?", message), message


IN_CONFIG = {
    # option: (base, the rest of the config, what is meant)
    "model.body.cente": ("atari.yaml", "model: {body: {init_args: {cente: true}}}", "model.body.center"),
    "model.body.gian": (
        "atari.yaml",
        "model: {body: {class_path: lit_a3c.MLPBody, init_args: {gian: 2}}}",
        "model.body.gain",
    ),
    "model.head.init_concentratio": (
        "mujoco_beta.yaml",
        "model: {head: {class_path: lit_a3c.BetaHead, init_args: {init_concentratio: 1}}}",
        "model.head.init_concentration",
    ),
    "model.head.box.init_concentratio": (
        "mujoco_beta.yaml",
        "model: {head: {class_path: JointHead, init_args: {box: {class_path: BetaHead, "
        "init_args: {init_concentratio: 1}}}}}",
        "model.head.box.init_concentration",
    ),
    "model.head.class_pth": (
        "mujoco_beta.yaml",
        "model: {head: {class_pth: lit_a3c.BetaHead}}",
        "model.head.class_path",
    ),
    "model.recurrent.hidden_siz": (
        "mujoco_beta.yaml",
        "model: {recurrent: {class_path: lit_a3c.LSTM, init_args: {hidden_siz: 3}}}",
        "model.recurrent.hidden_size",
    ),
    "model.optimizer.initial_accumulator_valu": (
        "cartpole.yaml",
        "model: {optimizer: {init_args: {initial_accumulator_valu: 1}}}",
        "model.optimizer.initial_accumulator_value",
    ),
    "model.optimizer.beta": (
        "cartpole.yaml",
        "model: {optimizer: {class_path: Adam, init_args: {beta: [0.9, 0.99]}}}",
        "model.optimizer.betas",
    ),
    "data.atari.stiky": ("atari.yaml", "data: {atari: {stiky: 0.1}}", "data.atari.sticky"),
    "trainer.logger.versio": ("cartpole.yaml", "trainer: {logger: {init_args: {versio: 3}}}", "trainer.logger.version"),
    "trainer.callbacks.greting": (
        "cartpole.yaml",
        f"trainer: {{callbacks: [{{class_path: Timer}}, {{class_path: {MINE}, init_args: {{greting: hi}}}}]}}",
        "trainer.callbacks.greeting",
    ),
    "video.every_n_step": ("cartpole.yaml", "video: {every_n_step: 3}", "video.every_n_steps"),
    "last_checkpoint.every_n_update": (
        "cartpole.yaml",
        "last_checkpoint: {every_n_update: 3}",
        "last_checkpoint.every_n_updates",
    ),
    "best_checkpoint.filenam": ("cartpole.yaml", "best_checkpoint: {filenam: x}", "best_checkpoint.filename"),
    "trainer.max_epoch": ("cartpole.yaml", "trainer: {max_epoch: 3}", "trainer.max_epochs"),
    "data.envs_per_workers": ("cartpole.yaml", "data: {envs_per_workers: 3}", "data.envs_per_worker"),
    "modle.gamma": ("cartpole.yaml", "modle: {gamma: 0.5}", "model.gamma"),
    "engin": ("cartpole.yaml", "engin: serial", "engine"),
    "num_worker": ("cartpole.yaml", "num_worker: 3", "num_workers"),
}


@pytest.mark.parametrize("option", IN_CONFIG)
@pytest.mark.parametrize("as_base", [True, False], ids=["base", "file"])
def test_a_misspelt_option_in_a_config(option: str, as_base: bool, refused: Refused) -> None:
    """The same, whether the config builds on a shipped one or stands after it."""
    base, lines, meant = IN_CONFIG[option]
    Path("mine.yaml").write_text((f"base: {base}\n" if as_base else "") + lines + "\n")
    configs = ["--config", "mine.yaml"] if as_base else ["--config", base, "--config", "mine.yaml"]
    message = refused("fit", *configs, "--data.total_steps", "1")
    assert re.fullmatch(rf"there is no option '--{option}'( of \w+)?\. Did you mean '--{meant}'\?", message), message


NO_SUGGESTION = {
    # name: (arguments, the whole message)
    "nothing is near": ([*CARTPOLE, "--model.learning_rate", "1"], "there is no option '--model.learning_rate'."),
    "the class has nothing near": (
        [*ATARI, "--model.body.widthwise", "1"],
        "there is no option '--model.body.widthwise' of A3CBody. Its options: center, normalize.",
    ),
    "another class has it": (
        [*ATARI, "--model.body.hidden", "[8]"],
        "there is no option '--model.body.hidden' of A3CBody. Classes that have it: MLPBody.",
    ),
    "no class is chosen": (
        [*CARTPOLE, "--model.head.init_concentration", "1"],
        "there is no option '--model.head.init_concentration' before '--model.head' names a class. "
        "Classes that have it: BetaHead.",
    ),
    "a name and no class": (
        [*CARTPOLE, "--trainer.strategy.find_unused", "true"],
        "there is no option '--trainer.strategy.find_unused' before '--trainer.strategy' names a class.",
    ),
    "follows from another": (
        [*CARTPOLE, "--data.engine", "sync"],
        "there is no option '--data.engine': its value is that of engine.",
    ),
    "required": (["fit", "--data.total_steps", "1"], "missing: '--data.env_id'"),
    "required by a class": (
        [*CARTPOLE, "--trainer.callbacks+=EarlyStopping"],
        "missing: '--trainer.callbacks.monitor'",
    ),
}


@pytest.mark.parametrize("name", NO_SUGGESTION)
def test_an_option_without_a_suggestion(name: str, refused: Refused) -> None:
    """What can be said is said, and no far-fetched name."""
    arguments, message = NO_SUGGESTION[name]
    assert refused(*arguments).startswith(message.removesuffix("."))  # other tests may have classes of their own


def test_a_class_path_beside_options(refused: Refused) -> None:
    Path("mine.yaml").write_text(
        "base: mujoco_beta.yaml\nmodel: {head: {class_path: lit_a3c.BetaHead, init_arg: {}}}\n"
    )
    message = refused("fit", "--config", "mine.yaml")
    assert message == "beside '--model.head.class_path' there may be '--model.head.init_args' and nothing else."
