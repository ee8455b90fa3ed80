"""A policy as a LightningModule: how it acts and how it is scored. :mod:`lit_a3c.module` adds the learning."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributions import Distribution

from lit_a3c.envs import EnvSpaces
from lit_a3c.evaluation.frames import ExplainedAgent
from lit_a3c.evaluation.play import EpisodeBatch, play
from lit_a3c.evaluation.scores import summarize
from lit_a3c.networks.agent import Agent, generator_from_global_state
from lit_a3c.networks.normalization import ReturnScale
from lit_a3c.networks.predictor import Predictor
from lit_a3c.rollout import Episode
from lit_a3c.training_state import TrainingState

SCORES = {"return_mean": "mean", "return_sd": "sd", "episode_length": "length"}
"""The metrics of an evaluation, each with its name in the summary of the episodes."""


class PolicyModule(TrainingState):
    """A policy that acts, and its score.

    Args:
        spaces: The environment's spaces.

    Attributes:
        return_scale: What the value head's outputs are scaled by; None where they are returns themselves.
        episodes: Episodes of the present or last evaluation.
    """

    return_scale: ReturnScale | None

    def __init__(self, spaces: EnvSpaces) -> None:
        super().__init__(spaces)
        self.episodes: list[Episode] = []
        self._generator: torch.Generator | None = None
        self._predictor: Predictor | None = None

    # Acting for the user

    def predict(
        self, observation: Any, deterministic: bool = True, *, episode_start: Any = None, action_mask: Any = None
    ) -> Any:
        """Actions for observations of the environment itself.

        A recurrent policy carries its states from one call to the next one. The states begin at zero in the first call,
        where ``episode_start`` says so, and where the number of observations has changed.

        Args:
            observation: As the environment returns it, or a batch of ``E`` as a vector environment of Gymnasium does.
            deterministic: Take the most likely actions. Off, actions are drawn with torch's global generator.
            episode_start: Whether an observation is the first of an episode, a bool or ``[E]`` of them.
            action_mask: ``info["action_mask"]``, where the environment gives its masks there; a batch has ``E`` masks.

        Returns:
            What the ``step`` of the environment takes: one action, or a batch of ``E``. Those of a ``Box`` lie within
            its bounds.

        Raises:
            ConfigError: The observation or the mask is not of the environment's spaces.
        """
        return self._acting.predict(observation, deterministic, episode_start, action_mask)

    def distribution(self, observation: Any, *, episode_start: Any = None, action_mask: Any = None) -> Distribution:
        """The distribution that :meth:`predict` takes its actions from, of batch shape ``[E]``, without gradients.

        Its actions are those of the network: not clipped, counted from 0, and flat where they are composite. The states
        of a recurrent policy stay as they are.

        Args:
            observation: As that of :meth:`predict`. One observation is a batch of 1.
            episode_start: As that of :meth:`predict`.
            action_mask: As that of :meth:`predict`.
        """
        return self._acting.distribution(observation, episode_start, action_mask)

    def value(self, observation: Any, *, episode_start: Any = None) -> Any:
        """``v(s)``: the discounted return that is expected from here, in units of the rewards that were learned from.

        The states of a recurrent policy stay as they are.

        Args:
            observation: As that of :meth:`predict`.
            episode_start: As that of :meth:`predict`.

        Returns:
            A float, or an array ``[E]`` for a batch.
        """
        values, batched = self._acting.values(observation, episode_start)
        if self.return_scale is not None:
            values = self.return_scale.restore(values)
        return values.cpu().numpy() if batched else values.item()

    @property
    def _acting(self) -> Predictor:
        if self._predictor is None:
            self._predictor = Predictor(self.policy, self.spaces)
        return self._predictor

    # Evaluation

    def agent(self, num_envs: int, *, explain: bool = False) -> Agent:
        """The policy under evaluation in so many environments. Its draws change nothing in the training around it.

        Args:
            num_envs: Number of environments.
            explain: Whether it shall keep what it decides, as :class:`~lit_a3c.evaluation.frames.ExplainedAgent` does.
        """
        how = (self.policy, num_envs, bool(self.hparams["deterministic_eval"]))
        generator = self._generator or generator_from_global_state()
        return ExplainedAgent(*how, generator, self.return_scale) if explain else Agent(*how, generator)

    def play(self, batch: EpisodeBatch) -> list[Episode]:
        """Play whole episodes with the present policy, in another process where the batch names one."""
        agent = self.agent(batch.num_envs, explain=batch.explain)
        return play(agent, batch) if batch.player is None else batch.player.play(agent, batch)

    def on_validation_epoch_start(self) -> None:
        self.episodes, self._generator = [], generator_from_global_state()

    def validation_step(self, batch: EpisodeBatch, batch_idx: int) -> None:
        """Play a batch of episodes."""
        self.learners.do_part(lambda: self.episodes.extend(self.play(batch)))

    def _collect_episodes(self) -> None:
        """Take those that other learners have played. They count on from one rank to the next."""
        self._generator = None
        self.episodes = [episode for played in self.learners.collect(self.episodes) for episode in played]

    def on_validation_epoch_end(self) -> None:
        self._collect_episodes()
        if not self.trainer.sanity_checking:
            self._publish_score("val")

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        self._collect_episodes()
        self._publish_score("test")

    def predict_step(self, batch: EpisodeBatch, batch_idx: int) -> list[Episode]:
        """Play a batch of episodes, whose images go to ``batch.on_frame``."""
        return self.play(batch)

    def _publish_score(self, stage: str) -> None:
        summary = summarize(self.episodes, self.spaces)
        self.publish({f"{stage}/{name}": summary[key] for name, key in SCORES.items()})

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which acts for itself."""
        return {**super().__getstate__(), "_generator": None, "_predictor": None}
