"""A trained agent with its environment, as ``test`` and ``predict`` would have them, by the same rules of trust."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.compatibility import check_fits
from lit_a3c.checkpoint.find import read_checkpoint
from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified
from lit_a3c.cli.arguments import Answered
from lit_a3c.cli.lightning_cli import A3CCLI, run
from lit_a3c.datamodule import RolloutDataModule
from lit_a3c.evaluation.play import EvaluationEnvs
from lit_a3c.module import A3C
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import ConfigError


@dataclass
class TrainedAgent:
    """An agent that does not train.

    Attributes:
        module: The agent, with the weights of the file.
        data: Its environment.
        file: The checkpoint.
    """

    module: A3C
    data: RolloutDataModule
    file: Path

    def __post_init__(self) -> None:
        self._seen = _identity(self.file)

    @property
    def which(self) -> str:
        """Which policy it is, for viewers."""
        return "best policy" if self.file.name == "best.ckpt" else "policy"

    def envs(self) -> EvaluationEnvs:
        """Its one environment, which can be drawn."""
        return EvaluationEnvs(self.data.env, 1, self.data.max_eval_steps, render=True)

    def reload(self, follow_best: bool) -> str | None:
        """Take the weights of the file again if it has changed; then which policy it is now.

        A file that cannot be used is named, and the weights stay.

        Args:
            follow_best: Go over to ``best.ckpt`` beside the file as soon as it is there.
        """
        best = self.file.with_name("best.ckpt")
        if follow_best and best.exists():
            self.file = best
        now = _identity(self.file)
        if now is None or now == self._seen:
            return None
        self._seen = now
        try:
            self._load(load_verified(self.file))
        except (OSError, CorruptCheckpointError, ConfigError, RuntimeError, KeyError) as error:
            say(f"{self.file} cannot be used: {str(error).splitlines()[0]}. The agent stays as it is.")
            return None
        say(f"the weights are now those of step {self.module.steps:,}")
        return self.which

    def _load(self, checkpoint: dict[str, Any]) -> None:
        check_fits(checkpoint, self.module.spaces, self.module.state_dict())
        self.module.on_load_checkpoint(checkpoint)
        self.module.load_state_dict(checkpoint["state_dict"])
        self.module.eval()


def trained_agent(options: list[str]) -> TrainedAgent:
    """The agent of ``lit-a3c predict OPTIONS``.

    Args:
        options: As on the command line, ``--ckpt_path`` among them.

    Raises:
        ConfigError: ``predict`` refuses them.
    """
    found: list[TrainedAgent] = []
    run(["predict", *options], lambda argv: _Loaded(argv, found))
    return found[0]


class _Loaded(A3CCLI):
    """Makes agent and environment, and plays nothing.

    Args:
        argv: The command and its options.
        found: Takes the agent.
    """

    def __init__(self, argv: list[str], found: list[TrainedAgent]) -> None:
        self._found = found
        super().__init__(argv)

    def before_predict(self) -> None:
        """Load the weights.

        Raises:
            Answered: All is there.
        """
        assert isinstance(self.model, A3C)
        assert isinstance(self.datamodule, RolloutDataModule)
        agent = TrainedAgent(self.model, self.datamodule, Path(self.config[self.subcommand].ckpt_path))
        agent._load(read_checkpoint(agent.file))
        self._found.append(agent)
        raise Answered(0)


def _identity(file: Path) -> tuple[int, int, int] | None:
    """What changes when a file is replaced; None where it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
