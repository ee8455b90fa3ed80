"""The table of a score."""

from lit_a3c.callbacks.scores import table
from lit_a3c.envs import EnvSpec, Episode
from lit_a3c.evaluate import summarize
from tests.test_module import SPEC


def test_table_shows_the_score() -> None:
    """Mean, median, steps and frames as a user reads them."""
    spec = EnvSpec("ALE/Pong-v5", SPEC.observation_space, SPEC.action_space, frame_skip=4)
    score = summarize([Episode(0, 18.0, 1000), Episode(1, 20.0, 2000)], spec) | {"trained_steps": 1_000_000}
    text = table(score)
    assert "19.00" in text
    assert "3,000 steps, 12,000 frames" in text
    assert "trained                 1,000,000 steps" in text
    assert "112.5%" in text  # (19 + 20.7) / (14.6 + 20.7)
