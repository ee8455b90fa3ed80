"""The commands, and what to type here for those of other systems."""

from __future__ import annotations

COMMANDS = {
    "fit": "train an agent",
    "validate": "play a few episodes with a trained agent",
    "test": "play 100 episodes with a trained agent and write its score",
    "predict": "record a video of a trained agent",
}
"""Those of Lightning's trainer, each with what it does."""
VERBS: dict[str, str] = {
    "plot": "draw the learning curves of runs",
    "report": "a page about runs that opens in a browser",
    "score": "scores of runs over seeds and environments, with intervals",
}
"""Those for trained agents and finished runs, each with what it does. ``cli.verbs`` has a module for each."""

_TRAIN = "To train: lit-a3c fit --config atari.yaml"
_CONTINUE = "To continue a training: lit-a3c fit --ckpt_path last"
_SCORE = "To score a trained agent: lit-a3c test --ckpt_path best"
_WATCH = "To record a video of a trained agent: lit-a3c predict --ckpt_path best"
ELSEWHERE = {
    **dict.fromkeys(("train", "learn", "run", "start"), _TRAIN),
    **dict.fromkeys(("resume", "continue"), _CONTINUE),
    **dict.fromkeys(("eval", "evaluate", "benchmark"), _SCORE),
    **dict.fromkeys(("enjoy", "play", "watch", "record", "render", "rollout", "video", "visualize"), _WATCH),
    **dict.fromkeys(("curve", "curves", "plots"), "To draw learning curves: lit-a3c plot RUN"),
}
"""Commands of other systems (Stable-Baselines3's zoo, RLlib, Sample Factory, ...), each with what to type here."""
