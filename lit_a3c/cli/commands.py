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
    "play": "watch a trained agent, in a window or in a browser",
    "agents": "list the trained agents that come with the package",
    "plot": "draw the learning curves of runs",
    "report": "a page about runs that opens in a browser",
    "score": "scores of runs over seeds and environments, with intervals",
    "sweep": "train and test one config with several seeds and environments",
    "tune": "search for better values of options, with Optuna",
    "export": "write a trained agent as an ONNX or PT2 file",
    "push": "share a trained agent on the Hugging Face Hub",
}
"""Those for trained agents and finished runs, each with what it does. ``cli.verbs`` has a module for each."""

_TRAIN = "To train: lit-a3c fit --config atari.yaml"
_CONTINUE = "To continue a training: lit-a3c fit --ckpt_path last"
_SCORE = "To score a trained agent: lit-a3c test --ckpt_path best"
_EXPORT = "To write a trained agent as an ONNX file: lit-a3c export --ckpt_path best"
_WATCH = "To watch a trained agent: lit-a3c play --ckpt_path best"
_RECORD = "To record a video of a trained agent: lit-a3c predict --ckpt_path best"
_SHARE = "To share a trained agent: lit-a3c push RUN user/agent"
_PULL = "To use an agent of the Hugging Face Hub: lit-a3c test --ckpt_path hf://user/agent"
ELSEWHERE = {
    **dict.fromkeys(("train", "learn", "run", "start"), _TRAIN),
    **dict.fromkeys(("resume", "continue"), _CONTINUE),
    **dict.fromkeys(("convert", "deploy", "onnx"), _EXPORT),
    **dict.fromkeys(("enjoy", "watch", "render", "rollout", "visualize"), _WATCH),
    **dict.fromkeys(("record", "video"), _RECORD),
    **dict.fromkeys(("upload", "share", "publish", "push_to_hub"), _SHARE),
    **dict.fromkeys(("pull", "download", "load_from_hub"), _PULL),
    **dict.fromkeys(("eval", "evaluate", "benchmark"), _SCORE),
    **dict.fromkeys(("curve", "curves", "plots"), "To draw learning curves: lit-a3c plot RUN"),
}
"""Commands of other systems (Stable-Baselines3's zoo, RLlib, Sample Factory, ...), each with what to type here."""
