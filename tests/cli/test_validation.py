"""Numbers out of their range, and options that contradict one another."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Refused

SHORT = ["--data.total_steps", "1", "--data.envs_per_worker", "1"]
FIT = ["fit", "--config", "cartpole.yaml", *SHORT]
ATARI = ["fit", "--config", "atari.yaml", *SHORT, "--engine", "serial"]
HOGWILD = [*FIT, "--engine", "hogwild"]

NUMBERS = {
    # name: (arguments, what the message must say)
    "no steps": (["--data.total_steps", "0"], ["data.total_steps 0", "at least 1"]),
    "negative workers": (["--num_workers", "-1"], ["num_workers -1", "at least 1"]),
    "no workers of hogwild": (["--engine", "hogwild", "--num_workers", "0"], ["num_workers 0", "at least 1"]),
    "too many workers": (["--num_workers", "5000"], ["num_workers 5000", "at most 1024"]),
    "no environments": (["--data.envs_per_worker", "0"], ["data.envs_per_worker 0", "at least 1"]),
    "no minibatches": (["--data.num_minibatches", "0"], ["data.num_minibatches 0", "at least 1"]),
    "no rollouts": (["--data.rollouts_per_update", "0"], ["data.rollouts_per_update 0", "at least 1 and at most 1024"]),
    "no test episodes": (["--data.test_episodes", "0"], ["data.test_episodes 0", "at least 1"]),
    "negative evaluations": (["--data.eval_episodes", "-3"], ["data.eval_episodes -3", "at least 1"]),
    "negative restarts": (["--data.max_restarts", "-1"], ["data.max_restarts -1", "at least 0"]),
    "discount": (["--model.gamma", "1.5"], ["model.gamma 1.5", "at most 1"]),
    "lambda": (["--model.gae_lambda", "-0.1"], ["model.gae_lambda -0.1", "at least 0"]),
    "entropy": (["--model.entropy_coef", "-1"], ["model.entropy_coef -1", "at least 0"]),
    "negative rate": (["--model.optimizer.lr", "-1"], ["model.optimizer.lr -1", "above 0"]),
    "rate of zero": (["--model.optimizer.lr", "0"], ["model.optimizer.lr 0", "above 0"]),
    "decay": (["--model.optimizer.alpha", "2"], ["model.optimizer.alpha 2", "at most 1"]),
    "epsilon": (["--model.optimizer.eps", "0"], ["model.optimizer.eps 0", "above 0"]),
    "layer of no units": (["--model.body.hidden", "[0]"], ["model.body.hidden 0", "at least 1"]),
    "clip": (["--trainer.gradient_clip_val", "-1"], ["trainer.gradient_clip_val -1", "at least 0"]),
    "validation interval": (["--trainer.val_check_interval", "0"], ["trainer.val_check_interval 0", "above 0"]),
    "validation interval of no time": (
        ["--trainer.val_check_interval", "00:00:00:00"],
        ["trainer.val_check_interval '00:00:00:00'", "more than no time"],
    ),
    "no batches in an update": (
        ["--trainer.accumulate_grad_batches", "0"],
        ["trainer.accumulate_grad_batches 0", "at least 1"],
    ),
    "sanity checks": (["--trainer.num_sanity_val_steps", "-5"], ["trainer.num_sanity_val_steps -5", "at least -1"]),
    "no refreshes": (["--progress.refresh_rate", "0"], ["progress.refresh_rate 0", "at least 1"]),
    "log interval": (["--trainer.log_every_n_steps", "-1"], ["trainer.log_every_n_steps", "-1"]),
    "checkpoint interval": (["--last_checkpoint.every_n_updates", "0"], ["last_checkpoint.every_n_updates 0"]),
    "video interval": (["--video.every_n_steps", "-2"], ["video.every_n_steps -2", "at least -1"]),
    "no batches": (["--trainer.limit_train_batches", "0"], ["limit_train_batches 0 trains nothing", "total_steps"]),
    "no part of the batches": (["--trainer.limit_train_batches", "0.0"], ["trainer.limit_train_batches 0"]),
    "no updates": (["--trainer.max_steps", "0"], ["trainer.max_steps 0 trains nothing"]),
    "no epochs": (["--trainer.max_epochs", "0"], ["trainer.max_epochs 0 trains nothing"]),
    "no time": (["--trainer.max_time", "00:00:00:00"], ["trainer.max_time '00:00:00:00' trains nothing"]),
    "no time in parts": (["--trainer.max_time", "{hours: 0}"], ["trainer.max_time", "trains nothing"]),
    "batches again": (["--trainer.overfit_batches", "2"], ["trainer.overfit_batches 2", "--data.total_steps"]),
    "a part of the batches again": (["--trainer.overfit_batches", "0.1"], ["trainer.overfit_batches 0.1"]),
    "a quick run": (["--trainer.fast_dev_run", "true"], ["trainer.fast_dev_run True", "--data.total_steps"]),
    "seed in words": (["--seed_everything", "abc"], ["seed_everything 'abc'", "a whole number"]),
    "negative seed": (["--seed_everything", "-1"], ["seed_everything", "-1"]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_its_range(name: str, refused: Refused) -> None:
    arguments, words = NUMBERS[name]
    message = refused(*FIT, *arguments)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data.atari.frame_skip", "0"], ["data.atari.frame_skip 0", "at least 1"]),
        (["--data.atari.sticky", "2"], ["data.atari.sticky 2", "at most 1"]),
    ],
)
def test_a_number_of_atari_out_of_its_range(arguments: list[str], words: list[str], refused: Refused) -> None:
    message = refused(*ATARI, *arguments)
    for word in words:
        assert word in message


CONTRADICTIONS = {
    # name: (arguments, what the message must say)
    "engine and strategy": (
        [*FIT, "--engine", "async", "--trainer.strategy", "hogwild"],
        ["trainer.strategy 'hogwild' contradicts engine 'async'", "Use --engine hogwild"],
    ),
    "engine and strategy by class": (
        [*FIT, "--engine", "sync", "--trainer.strategy", "lit_a3c.Hogwild"],
        ["trainer.strategy 'hogwild' contradicts engine 'sync'", "Use --engine hogwild"],
    ),
    "hogwild with other devices than workers": (
        [*HOGWILD, "--trainer.devices", "3", "--num_workers", "2"],
        ["trainer.devices 3 contradicts num_workers 2", "--num_workers"],
    ),
    "hogwild with devices": (
        [*HOGWILD, "--trainer.devices", "3"],
        ["trainer.devices 3 contradicts num_workers 'auto'", "--num_workers"],
    ),
    "hogwild on a gpu": ([*HOGWILD, "--trainer.accelerator", "gpu"], ["trainer.accelerator 'gpu'", "must be cpu"]),
    "hogwild on cuda": ([*HOGWILD, "--trainer.accelerator", "cuda"], ["trainer.accelerator 'cuda'", "--engine async"]),
    "hogwild and ddp": (
        [*HOGWILD, "--trainer.strategy", "ddp"],
        ["trainer.strategy 'ddp' contradicts engine 'hogwild'", "Use --engine async"],
    ),
    "hogwild with rollouts": (
        [*HOGWILD, "--data.rollouts_per_update", "4"],
        ["data.rollouts_per_update 4 must be 1", "--engine async"],
    ),
    "two devices": ([*FIT, "--trainer.devices", "2"], ["trainer.devices '2'", "must be 1", "--trainer.strategy ddp"]),
    "nodes without their variables": (
        [*HOGWILD, "--trainer.num_nodes", "2"],
        ["trainer.num_nodes 2", "NODE_RANK (0 to 1)", "MASTER_ADDR", "torchrun"],
    ),
    "no nodes": ([*HOGWILD, "--trainer.num_nodes", "0"], ["trainer.num_nodes 0", "at least 1"]),
    "averagings of one node": (
        [*HOGWILD, "--num_workers", "1", "--data.average_every", "50"],
        ["data.average_every 50", "trainer.num_nodes", "null"],
    ),
    "passes without a correction": (
        [*FIT, "--data.num_passes", "4"],
        ["data.num_passes 4 needs V-trace", "--model.vtrace true"],
    ),
    "temperatures without a correction": (
        [*FIT, "--data.temperature_spread", "2"],
        ["data.temperature_spread 2 needs V-trace", "--model.vtrace true"],
    ),
    "temperatures of a mixture": (
        ["fit", "--config", "mujoco.yaml", "--data.temperature_spread", "2", "--model.head", "lit_a3c.MixtureHead"],
        ["data.temperature_spread: model.head gives a GaussianMixture"],
    ),
    "a temperature below": ([*FIT, "--data.temperature_spread", "0.5"], ["data.temperature_spread 0.5", "at least 1"]),
    "a bound without a correction": ([*FIT, "--model.clip_ratio", "0.2"], ["model.clip_ratio", "--model.vtrace true"]),
    "averagings of one learner": ([*FIT, "--data.average_every", "50"], ["data.average_every 50", "hogwild"]),
    "averagings without updates": (
        [*HOGWILD, "--data.average_every", "0"],
        ["data.average_every 0", "at least 1"],
    ),
    "devices of serial": (
        [*FIT, "--engine", "serial", "--trainer.devices", "2"],
        ["trainer.devices '2'", "engine 'serial'"],
    ),
    "no devices": ([*FIT, "--trainer.devices", "0"], ["trainer.devices '0'", "must be 1"]),
    "devices in words": ([*FIT, "--trainer.devices", "many"], ["trainer.devices 'many'", "must be 1"]),
    "two nodes": ([*FIT, "--trainer.num_nodes", "2"], ["trainer.num_nodes 2", "must be 1"]),
    "strategy": ([*FIT, "--trainer.strategy", "dpp"], ["trainer.strategy 'dpp'", "must be auto"]),
    "learners of hogwild": (
        [*HOGWILD, "--trainer.strategy", "ddp"],
        ["contradicts engine 'hogwild'", "--engine async"],
    ),
    "learners on two machines": (
        [*FIT, "--trainer.strategy", "ddp", "--trainer.num_nodes", "2"],
        ["trainer.num_nodes 2", "torchrun", "MASTER_ADDR"],
    ),
    "learners by fork": ([*FIT, "--trainer.strategy", "ddp_fork"], ["trainer.strategy 'ddp_fork'", "ddp for several"]),
    "a shared out network": ([*FIT, "--trainer.strategy", "fsdp"], ["trainer.strategy 'fsdp'", "ddp for several"]),
    "no learner": ([*FIT, "--trainer.strategy", "ddp", "--trainer.devices", "0"], ["devices"]),
    "accelerator": ([*FIT, "--trainer.accelerator", "cppu"], ["trainer.accelerator 'cppu'", "'cpu'"]),
    "tpu": ([*FIT, "--trainer.accelerator", "tpu"], ["trainer.accelerator 'tpu'", "auto, cpu, gpu, cuda, mps"]),
    "half precision": ([*FIT, "--trainer.precision", "bf16-true"], ["trainer.precision 'bf16-true'", "bf16-mixed"]),
    "double precision": ([*HOGWILD, "--trainer.precision", "64"], ["trainer.precision 64 ", "32-true"]),
    "precision of a library that is not there": (
        [*FIT, "--trainer.precision", "transformer-engine"],
        ["trainer.precision 'transformer-engine'", "bf16-mixed"],
    ),
    "interval of validations in each epoch": (
        [*FIT, "--trainer.check_val_every_n_epoch", "1"],
        ["trainer.check_val_every_n_epoch 1", "must be null"],
    ),
    "several best checkpoints in one file": (
        [*FIT, "--best_checkpoint.save_top_k", "3"],
        ["best_checkpoint.save_top_k 3", "best_checkpoint.filename is 'best'", "{step}"],
    ),
    "overfit": ([*FIT, "--trainer.overfit_batches", "3"], ["trainer.overfit_batches 3"]),
    "least steps": ([*FIT, "--trainer.min_steps", "9"], ["trainer.min_steps 9", "data.total_steps"]),
    "search for a batch size": (
        [*FIT, "--trainer.callbacks+=lightning.pytorch.callbacks.BatchSizeFinder"],
        ["BatchSizeFinder", "data.envs_per_worker"],
    ),
    "averages of shared weights": (
        [*HOGWILD, "--trainer.callbacks+=lightning.pytorch.callbacks.EMAWeightAveraging"],
        ["EMAWeightAveraging", "hogwild", "share"],
    ),
    "part of a batch": ([*FIT, "--trainer.limit_val_batches", "0.5"], ["trainer.limit_val_batches 0.5", "whole"]),
    "options of a game elsewhere": ([*FIT, "--data.atari.frame_skip", "4"], ["data.atari", "'CartPole-v1'"]),
    "game and arguments of a constructor": (
        [*ATARI, "--data.env_kwargs", "{a: 1}"],
        ["data.env_kwargs", "'ALE/Pong-v5'"],
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_options_that_contradict_one_another(name: str, refused: Refused) -> None:
    """By name, before Lightning starts a second process (two devices) and before a worker starts."""
    arguments, words = CONTRADICTIONS[name]
    message = refused(*arguments)
    for word in words:
        assert word in message


def test_devices_may_say_what_num_workers_says(refused: Refused) -> None:
    """The next complaint is of the environment, so the options were accepted."""
    arguments = [*HOGWILD, "--trainer.devices", "2", "--num_workers", "2", "--trainer.strategy", "hogwild"]
    assert refused(*arguments, "--data.env_id", "Nosuch-v0").startswith("data.env_id 'Nosuch-v0'")
