"""The config of a training, and its result, as loggers show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from lit_a3c.metrics.logger import RunLogger, SilentRunLogger
from lit_a3c.utils.disk import say
from lit_a3c.utils.one_line import one_line

BEST = "val/best_return"
"""Best validation return. TensorBoard has it once, at the end of the training."""
RESULTS = (BEST, "val/return_mean", "train/return")
"""The columns of results in HPARAMS of TensorBoard, each with the last value of its metric."""
SHOWN = ("seed_everything", "engine", "num_workers", "data", "model")
"""The sections of a config whose options HPARAMS shows, and further ones of the trainer."""
SHOWN_OF_TRAINER = ("gradient_clip_val", "precision", "accumulate_grad_batches")
HIDDEN = ("max_restarts", "worker_timeout", "test_episodes", "predict_episodes", "max_eval_steps")
"""Options of ``data`` that change nothing in what is learned."""


def log_config(logger: Logger, text: str) -> None:
    """Give the config of a training to a logger.

    TensorBoard shows it in TEXT, and the options that matter in HPARAMS. MLflow has the options as parameters, and the
    file as an artifact. W&B and other loggers get the options. A logger that does not take them does not end the
    training: a line says why.

    Args:
        logger: A logger of the training.
        text: The config in YAML.
    """
    config = yaml.safe_load(text)
    try:
        if isinstance(logger, SilentRunLogger):
            return
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text("config", f"```yaml\n{text.rstrip()}\n```", 0)
        if isinstance(logger, RunLogger):
            _write_hparams(logger, config, end=False)
        elif isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(important(config))
        else:
            logger.log_hyperparams(config)
        if isinstance(logger, MLFlowLogger):
            assert logger.run_id is not None
            logger.experiment.log_text(logger.run_id, text, "config.yaml")
    except Exception as error:  # of a server or of a package that is not ours
        say(f"{type(logger).__name__} has not taken the config: {one_line(error)}.")


def log_result(logger: Logger, text: str, best: float | None, step: int) -> None:
    """Give TensorBoard the result of a training, for the comparison of runs in HPARAMS.

    Args:
        logger: A logger of the training. Others than those of TensorBoard are left alone.
        text: The config in YAML.
        best: The best validation return; None without a validation.
        step: Steps of the training.
    """
    if not isinstance(logger, TensorBoardLogger) or isinstance(logger, SilentRunLogger):
        return
    if isinstance(logger, RunLogger):
        if best is not None:
            logger.experiment.add_scalar(BEST, best, step)
        _write_hparams(logger, yaml.safe_load(text), end=True)
    elif best is not None:
        logger.log_hyperparams(important(yaml.safe_load(text)), {BEST: best}, step)


def important(config: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """The options that matter for what is learned, by name: ``{"model.gamma": 0.99, "model.body": "MLPBody", ...}``.

    Args:
        config: A whole config. Options that are not set are left out.
    """
    trainer = config.get("trainer") or {}
    shown = {section: config[section] for section in SHOWN if section in config}
    shown["data"] = {name: value for name, value in shown.get("data", {}).items() if name not in HIDDEN}
    shown["trainer"] = {name: trainer[name] for name in SHOWN_OF_TRAINER if name in trainer}
    return dict(_flat("", shown))


def _flat(name: str, value: Any) -> Iterator[tuple[str, bool | int | float | str]]:
    if isinstance(value, Mapping):
        if "class_path" in value:
            yield name, str(value["class_path"]).rpartition(".")[2]
            value = value.get("init_args") or {}
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, bool | int | float | str):
        # A function of ours, which chooses a part of the network.
        yield name, value.rpartition(".")[2] if isinstance(value, str) and value.startswith("lit_a3c.") else value
    elif value is not None:
        yield name, str(value)


def _write_hparams(logger: RunLogger, config: Mapping[str, Any], *, end: bool) -> None:
    """Write what HPARAMS reads: before the training the options and the names of the results, after it the end."""
    from torch.utils.tensorboard.summary import hparams

    experiment, session, session_end = hparams(important(config), dict.fromkeys(RESULTS, 0.0))
    writer = logger.experiment.file_writer
    for summary in [session_end] if end else [experiment, session]:
        writer.add_summary(summary)
