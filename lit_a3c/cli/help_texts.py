"""What the help of a command says of options that are not ours, and which options it shows first, last or not at all.

The options themselves are those that the parser knows. A test compares the names.
"""

from __future__ import annotations

from argparse import SUPPRESS

WORDS = {
    "help": "Show this help.",
    "help_all": "Show every option, also those of Lightning that are rarely needed.",
    "config": "A YAML file, or the name of a shipped config. May be given several times; the later one wins.",
    "print_config": "Print every option with its value, as a config to edit.",
    "seed_everything": "Seed of weights, environments and actions, or true for a random one.",
    "ckpt_path": "A checkpoint: a file, a run's directory, last, best or a URL.",
    "trainer.max_time": "Time after which the training ends, as DD:HH:MM:SS. 00:00:30:00 is half an hour.",
    "trainer.val_check_interval": "Updates between two validations, those of all workers together, or a time as "
    "DD:HH:MM:SS.",
    "trainer.limit_val_batches": "Batches of a validation, of at most 20 episodes each. 0: no validations.",
    "trainer.log_every_n_steps": "Updates between two rows of the logs.",
    "trainer.gradient_clip_val": "Largest norm of a gradient.",
    "trainer.accelerator": "cpu, gpu or auto. A GPU is for the one learner of async, sync and serial.",
    "trainer.precision": "bf16-mixed computes the networks in bfloat16. Without it: 32 bits.",
    "trainer.logger": "What writes the metrics: false, or a class. That of lit_a3c takes .name and .version, which "
    "name the directory of the run.",
    "trainer.callbacks": "Further callbacks: --trainer.callbacks+=EarlyStopping, then its options, for example "
    "--trainer.callbacks.monitor=val/return_mean.",
    "trainer.enable_progress_bar": "Whether the progress is shown.",
    "best_checkpoint.dirpath": "Directory of the checkpoints. Without it: that of the run.",
    "best_checkpoint.filename": "Name of the file, without .ckpt.",
    "best_checkpoint.monitor": "The metric of validations that says which checkpoint is best.",
    "best_checkpoint.mode": "max where more of the metric is better, else min.",
    "best_checkpoint.save_top_k": "How many of the best checkpoints are kept.",
}
"""Help of options that are not ours. What a library says of them is longer, and is often not true here."""
ORDER = (
    *("ckpt_path", "config", "engine", "num_workers", ""),
    *("print_config", "trust_checkpoint", SUPPRESS, "help"),
)
"""Where the options without a section stand; others take the place of the empty one."""
BORROWED = ("trainer", "best_checkpoint", "weights_only", "verbose", "return_predictions")
"""Sections and options of Lightning, whose texts are its own. The short help has only those that are in ``WORDS``."""
TITLES = {
    "data": "The environment, and how steps are collected in it.",
    "model": "The algorithm (A3C, Mnih et al. 2016), the network and the optimizer.",
    "trainer": "Options of Lightning's Trainer: how long, how often, and on what.",
    "best_checkpoint": "best.ckpt, the checkpoint with the best validation.",
}
TRAINING_ONLY = (
    *("engine", "num_workers", "last_checkpoint", "best_checkpoint", "model", "video.every_n_steps"),
    *("data.total_steps", "data.envs_per_worker", "data.rollout_length", "data.num_minibatches"),
    *("data.rollouts_per_update", "data.num_passes", "data.renew_returns", "data.temperature_spread"),
    *("data.max_restarts", "data.worker_timeout", "data.average_every"),
    *("trainer.max_time", "trainer.val_check_interval"),
    *("trainer.log_every_n_steps", "trainer.gradient_clip_val", "trainer.limit_val_batches", "trainer.logger"),
)
"""Sections and options that say nothing to a command that does not train."""
ALWAYS = ("model.deterministic_eval",)
"""Exceptions in these sections."""
SOME_COMMANDS = {
    "data.eval_episodes": ("fit", "validate"),
    "data.test_episodes": ("fit", "test"),
    "data.predict_episodes": ("fit", "predict"),
    "video": ("fit", "predict"),
}
"""Options that some commands need, each with these."""
