"""What of Lightning's trainer does not work with rollouts. It is refused by name, before a worker starts.

The page ``docs/lightning.md`` lists every option and callback of Lightning with what becomes of it here.
"""

from __future__ import annotations

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    BatchSizeFinder,
    Callback,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelPruning,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.model_helpers import is_overridden

from lit_a3c.engines.base import Learner
from lit_a3c.engines.hogwild.strategy import Hogwild
from lit_a3c.networks.temperature import tempered
from lit_a3c.utils import compat, compat_processes
from lit_a3c.utils.errors import ConfigError

PRECISIONS: dict[str, tuple[str | int | None, ...]] = {
    "32-true": (None, 32, "32", "32-true"),
    "bf16-mixed": ("bf16", "bf16-mixed"),
    "16-mixed": (16, "16", "16-mixed"),
}
"""Precisions that work, each with all its names."""
CALLBACKS: dict[type[Callback], str] = {
    StochasticWeightAveraging: "averages once an epoch, and a training has one epoch. EMAWeightAveraging averages "
    "after each update.",
    ModelPruning: "prunes the learner's network, and actors would act with a copy that is not pruned.",
    BaseFinetuning: "unfreezes layers by epochs, and a training has one epoch. Freeze layers before the training: "
    "module.policy.encoder.requires_grad_(False).",
    BatchSizeFinder: "has no batch size to find. Give data.envs_per_worker, data.rollout_length and "
    "data.num_minibatches.",
    LearningRateFinder: "would use up steps of the budget. Give model.optimizer.lr.",
}
"""Callbacks that work with no engine, and why."""
HOGWILD_CALLBACKS: dict[type[Callback], str] = {
    WeightAveraging: "swaps weights and running statistics that all workers share.",
    GradientAccumulationScheduler: "reaches the process that was started alone. Use trainer.accumulate_grad_batches.",
}
"""Callbacks that do not work with the engine hogwild, and why."""
GRADIENT_HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")
"""Hooks of callbacks that Lightning calls where gradients are computed: with the engine hogwild, in the workers."""


def check_trainer(trainer: Trainer) -> None:
    """Refuse what would end in an error, or silently do something else than its name says.

    Raises:
        ConfigError: With the option or callback, and the reason.
    """
    _check_processes(trainer)
    check_precision(trainer.precision)
    if trainer.state.fn in (None, TrainerFn.FITTING):
        data = compat.datamodule_of(trainer)
        check_averaging(getattr(data, "average_every", None), trainer)
        check_passes(getattr(data, "num_passes", 1), trainer)
        check_temperature(getattr(data, "temperature_spread", 1), trainer)
        _check_options(trainer)
        _check_callbacks(trainer)


def check_precision(precision: str | int | None) -> None:
    """Refuse a precision in which actors and learner would not fit together.

    Raises:
        ConfigError: With those that work.
    """
    if not any(precision in names for names in PRECISIONS.values()):
        raise ConfigError(
            f"trainer.precision {precision!r} must be one of {', '.join(PRECISIONS)}: parameters and actors have "
            "single precision."
        )


def check_averaging(average_every: int | None, trainer: Trainer) -> None:
    """Refuse an interval of averagings where nothing is averaged.

    Raises:
        ConfigError: There is one node, or an engine with one learner.
    """
    if average_every is not None and (trainer.num_nodes == 1 or not isinstance(trainer.strategy, Hogwild)):
        raise ConfigError(
            f"data.average_every {average_every} needs the engine hogwild and several nodes (trainer.num_nodes): here "
            "nothing is averaged. Give data.average_every null."
        )


def check_passes(num_passes: int, trainer: Trainer) -> None:
    """Refuse to learn several times from the same actions as if the weights that learn had taken them.

    Raises:
        ConfigError: The module does not correct for it.
    """
    if num_passes > 1 and not getattr(trainer.lightning_module, "needs_behaviour_log_prob", True):
        raise ConfigError(
            f"data.num_passes {num_passes} needs V-trace, because the policy changes between two passes: "
            "--model.vtrace true. PPO's bound, --model.clip_ratio 0.2, keeps it near the one that acted."
        )


def check_temperature(spread: float, trainer: Trainer) -> None:
    """Refuse temperatures that nothing corrects for, or that the policy cannot have.

    Raises:
        ConfigError: The module does not correct for it, or its head gives a distribution without a temperature.
    """
    module = trainer.lightning_module
    if spread == 1 or not isinstance(module, Learner):
        return
    if not module.needs_behaviour_log_prob:
        raise ConfigError(
            f"data.temperature_spread {spread:g} needs V-trace, because environments act with other policies than the "
            "one that learns: --model.vtrace true."
        )
    features = torch.zeros(1, module.policy.encoder.num_features, device=module.policy.value.weight.device)
    tempered(module.policy.head(features), torch.ones(1, device=features.device))


def check_lone_rollouts(rollouts_per_update: int) -> None:
    """Refuse several rollouts an update for workers that learn themselves.

    Raises:
        ConfigError: With what does the same for them.
    """
    if rollouts_per_update > 1:
        raise ConfigError(
            f"data.rollouts_per_update {rollouts_per_update} must be 1 with engine 'hogwild': each worker learns from "
            "its own rollouts. Use a longer --data.rollout_length, or --engine async."
        )


def _check_processes(trainer: Trainer) -> None:
    """Several learners are the processes of DDP. Other strategies share out a network, which is too small for it."""
    strategy = trainer.strategy
    several = trainer.num_nodes != 1 and not isinstance(strategy, Hogwild)
    if type(strategy) is DDPStrategy and compat_processes.start_method_of(strategy) == "popen":
        if trainer.state.fn == TrainerFn.PREDICTING and trainer.world_size > 1:
            raise ConfigError("several processes cannot record episodes together. Use Trainer(devices=1).")
    elif not isinstance(strategy, SingleDeviceStrategy) or trainer.world_size != 1 or several:
        raise ConfigError(
            f"{type(strategy).__name__} with {trainer.world_size} processes is not supported. Several learners are "
            "Trainer(strategy='ddp', devices=N). For more actors of one learner use Trainer(devices=1) and "
            "num_workers, or Trainer(strategy='hogwild', devices=N)."
        )
    if strategy.root_device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"trainer.accelerator must be cpu or gpu, and is of the kind {strategy.root_device.type!r}.")


def _check_options(trainer: Trainer) -> None:
    hogwild = isinstance(trainer.strategy, Hogwild)
    if overfit := compat.overfit_batches(trainer):
        raise ConfigError(f"trainer.overfit_batches {overfit}: no rollout comes a second time.")
    if reload := compat.reload_interval(trainer):
        raise ConfigError(
            f"trainer.reload_dataloaders_every_n_epochs {reload}: rollouts have no end. New ones would need new "
            "workers."
        )
    for name, least in (("min_steps", trainer.min_steps), ("min_epochs", trainer.min_epochs)):
        if (least or 0) > 1:
            raise ConfigError(f"trainer.{name} {least}: a training ends after data.total_steps.")
    if (trainer.check_val_every_n_epoch or 1) > 1 and trainer.limit_train_batches == 1.0:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch {trainer.check_val_every_n_epoch}: a training has one epoch, so it would "
            "never be validated. Use trainer.val_check_interval, in updates."
        )
    if 0 < trainer.limit_val_batches < 1:
        raise ConfigError(
            f"trainer.limit_val_batches {trainer.limit_val_batches} must be a whole number of batches, of at most 20 "
            "episodes each. data.eval_episodes is the number of episodes."
        )
    if hogwild and compat.detects_anomaly(trainer):
        raise ConfigError(
            "trainer.detect_anomaly reaches the process that was started alone. Use the engine serial. NaN and "
            "infinity are always noticed."
        )


def _check_callbacks(trainer: Trainer) -> None:
    hogwild = isinstance(trainer.strategy, Hogwild)
    refused = CALLBACKS | (HOGWILD_CALLBACKS if hogwild else {})
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for cls, reason in refused.items():
            if isinstance(callback, cls):
                where = " with the engine hogwild" if cls in HOGWILD_CALLBACKS else ""
                raise ConfigError(f"the callback {type(callback).__name__} does not work{where}: it {reason}")
        for hook in GRADIENT_HOOKS if hogwild else ():
            if is_overridden(hook, callback, parent=Callback):
                raise ConfigError(
                    f"the callback {type(callback).__name__} does not work with the engine hogwild: its {hook} would "
                    "not be called, because the workers compute the gradients. Give the module this hook, which the "
                    "workers call, or use the engine async."
                )
