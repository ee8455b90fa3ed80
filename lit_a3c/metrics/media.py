"""Videos for the loggers that show them."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from lit_a3c.utils.disk import say
from lit_a3c.utils.one_line import one_line


def log_video(logger: Logger, file: Path, step: int) -> None:
    """Give a video to a logger: to W&B as ``wandb.Video``, to MLflow as an artifact in ``videos``.

    Other loggers are left alone. A logger that does not take the video does not end the training: a line says why.

    Args:
        logger: A logger of the training.
        file: An MP4 file, which is complete.
        step: Steps that the policy in it has learned from.
    """
    try:
        if isinstance(logger, WandbLogger):
            logger.log_video("video", [str(file)], step, format=[file.suffix[1:]])
        elif isinstance(logger, MLFlowLogger):
            assert logger.run_id is not None
            logger.experiment.log_artifact(logger.run_id, str(file), "videos")
    except Exception as error:  # of a server or of a package that is not ours
        say(f"{type(logger).__name__} has not taken the video {str(file)!r}: {one_line(error)}.")
