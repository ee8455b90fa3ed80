"""How Atari games are played: the protocol of Mnih et al. (2016) and its common departures."""

from __future__ import annotations

from dataclasses import dataclass

from lit_a3c.utils.errors import check_number


@dataclass(frozen=True)
class AtariOptions:
    """Options of the ``ALE/<Game>-v5`` environments.

    ``episodic_life`` and ``clip_rewards`` shape what the learner sees and are off when playing for a score.

    Args:
        frame_skip: Emulator frames per step; the action is repeated, the last two frames are max-pooled.
        frame_stack: Past observations that one observation holds.
        noop_max: Most no-operation frames at the start of an episode, drawn uniformly.
        sticky: Probability that the emulator repeats the previous action instead of the given one, per frame
            (Machado et al. 2018 use 0.25; the A3C paper 0).
        fire_reset: Press FIRE at the start of a game that waits for it.
        full_action_space: All 18 actions instead of the game's own.
        max_frames: Frames after which an episode is truncated (108,000 is 30 minutes of play).
        episodic_life: Training only: the loss of a life terminates, without restarting the game.
        clip_rewards: Training only: rewards clipped to [-1, 1]. Reported returns are raw in any case.
    """

    frame_skip: int = 4
    frame_stack: int = 4
    noop_max: int = 30
    sticky: float = 0.0
    fire_reset: bool = True
    full_action_space: bool = False
    max_frames: int = 108_000
    episodic_life: bool = True
    clip_rewards: bool = True

    @property
    def protocol(self) -> str:
        """What a score depends on, in words. Scores of different protocols are not to be compared."""
        return ", ".join(
            (
                f"sticky actions ({self.sticky:g})" if self.sticky else "no sticky actions",
                "all 18 actions" if self.full_action_space else "the game's own actions",
                f"up to {self.noop_max} no-ops at the start" if self.noop_max else "no no-ops at the start",
                "trained with lives as episodes" if self.episodic_life else "trained without information on lives",
            )
        )

    def check(self) -> None:
        """Refuse values on which the emulator would hang or crash.

        Raises:
            ConfigError: A number is out of its range.
        """
        check_number("data.atari.frame_skip", self.frame_skip, low=1, high=60, whole=True)
        check_number("data.atari.frame_stack", self.frame_stack, low=1, high=64, whole=True)
        check_number("data.atari.noop_max", self.noop_max, low=0, high=10_000, whole=True)
        check_number("data.atari.sticky", self.sticky, low=0, high=1)
        check_number("data.atari.max_frames", self.max_frames, low=1, high=10_000_000, whole=True)
