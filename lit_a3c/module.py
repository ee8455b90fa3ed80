"""A3C as a LightningModule: what is learned from a rollout, and how a policy is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c import losses
from lit_a3c.bodies import default_body
from lit_a3c.checkpoints import check_fits, is_plain
from lit_a3c.counter import Counter
from lit_a3c.envs import EnvSpec, Episode
from lit_a3c.errors import ConfigError, check_choice, check_number
from lit_a3c.evaluate import Film, summarize
from lit_a3c.guard import check_gradients, check_loss
from lit_a3c.heads import default_head
from lit_a3c.meter import TrainingMeter
from lit_a3c.optim import RMSprop, parameters_of
from lit_a3c.policy import ActorCritic, Agent, BodyFactory, HeadFactory, MemoryFactory
from lit_a3c.returns import ReturnScale, explained_variance, lambda_returns, vtrace
from lit_a3c.rollout import Rollout
from lit_a3c.sealed import read_bytes, unseal

OptimizerFactory = Callable[[Iterable], Optimizer]


class A3C(LightningModule):
    """Advantage actor-critic on n-step rollouts, Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783.

    Args:
        spec: The environment's spaces; from the data module.
        total_steps: Steps over which the learning rate falls to zero; from the data module.
        gamma: Discount per step.
        gae_lambda: 1 gives the paper's n-step returns, less the lambda-returns of GAE.
        vtrace: Correct for the policy lag of asynchronous workers, as Espeholt et al. (2018) do. Off, returns are
            the paper's, as if the weights that learn had acted.
        entropy_coef: The paper's beta.
        final_entropy_coef: Where it has moved by the end, linearly in steps. Default: it stays.
        value_coef: Weight of ``(G - v)^2``.
        loss_reduction: ``mean`` or ``sum`` over the steps of a rollout. The paper sums over ``t_max`` steps of one
            environment; a mean keeps the step size independent of rollout length and number of environments.
        normalize_returns: Let the value head predict returns divided by their running standard deviation.
        deterministic_eval: Evaluate with the most likely action instead of a drawn one.
        anneal: Let the learning rate fall linearly to zero over ``total_steps``.
        body: Makes the body from the observation space. Default: the paper's network for images, else an MLP.
        head: Makes the action head. Default: by the action space, one head for each of its components.
        memory: Makes a memory between body and heads, ``lit_a3c.LSTM`` say. Default: none.
        share_body: Let policy and value stand on one body (and memory). Off, each has its own.
        optimizer: Makes the optimizer from the parameters.

    Raises:
        ConfigError: A number is out of its range, or body or head do not fit the spaces.
    """

    def __init__(
        self,
        spec: EnvSpec,
        total_steps: int,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        vtrace: bool = False,
        entropy_coef: float = 0.01,
        final_entropy_coef: float | None = None,
        value_coef: float = 0.5,
        loss_reduction: str = "mean",
        normalize_returns: bool = False,
        deterministic_eval: bool = False,
        anneal: bool = True,
        body: BodyFactory = default_body,
        head: HeadFactory = default_head,
        memory: MemoryFactory | None = None,
        share_body: bool = True,
        optimizer: OptimizerFactory = RMSprop,
    ) -> None:
        super().__init__()
        check_number("model.gamma", gamma, low=0, high=1)
        check_number("model.gae_lambda", gae_lambda, low=0, high=1)
        check_number("model.entropy_coef", entropy_coef, low=0)
        if final_entropy_coef is not None:
            check_number("model.final_entropy_coef", final_entropy_coef, low=0)
        check_number("model.value_coef", value_coef, low=0)
        check_choice("model.loss_reduction", loss_reduction, ("mean", "sum"))
        self.save_hyperparameters(ignore=["spec"], logger=False)
        self.spec = spec
        self.make_optimizer = optimizer
        self.policy = ActorCritic(spec, body, head, memory, share_body)
        self.return_scale = ReturnScale() if normalize_returns else None
        self.step_counter = Counter()
        self._learning_from = 0
        self.discarded = 0
        """Steps that were taken but lost with the workers that took them."""
        self.episodes: list[Episode] = []
        """Episodes of the present or last evaluation."""
        self.meter = TrainingMeter()
        self._begun_at = time.monotonic()
        self._seconds_before = 0.0
        self._restored_optimizer: str | None = None
        self._optimizer_options: list[dict[str, Any]] = []

    @property
    def steps(self) -> int:
        """Steps learned from so far, by all processes."""
        return self.step_counter.total

    @property
    def seconds(self) -> float:
        """Seconds of training so far, evaluations included, over all parts of a resumed run."""
        return self._seconds_before + time.monotonic() - self._begun_at

    @property
    def finished(self) -> bool:
        """Whether the budget is used up."""
        return self.steps >= self.hparams["total_steps"]

    @property
    def entropy_coef(self) -> float:
        """The present weight of the entropy."""
        first, last = self.hparams["entropy_coef"], self.hparams["final_entropy_coef"]
        return first if last is None else last + (first - last) * self._left

    @property
    def _left(self) -> float:
        """Share of the budget that is left."""
        return max(0.0, 1 - self.steps / self.hparams["total_steps"])

    # Learning

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        """One update's loss.

        Args:
            rollout: ``[T, B]`` steps.
            batch_idx: Not used.
        """
        self.policy.observe(rollout.observation)
        end = rollout.terminated | rollout.truncated
        output = self.policy(rollout.observation, None if rollout.memory is None else rollout.memory[0], end)
        distribution, v_t = output.distribution, output.value
        log_prob_t = distribution.log_prob(rollout.action)
        returns, advantage = self._estimate(rollout, end, v_t.detach(), output.memory, log_prob_t.detach())

        reduce = torch.mean if self.hparams["loss_reduction"] == "mean" else torch.sum
        policy_loss = reduce(losses.policy_gradient_loss(log_prob_t, advantage))
        value_loss = reduce(losses.value_loss(v_t, returns))
        with torch.set_grad_enabled(self.entropy_coef > 0):  # where it has no weight its gradient, a Beta's is dear
            entropy = distribution.entropy()
        entropy_loss = reduce(losses.entropy_loss(entropy))
        loss = policy_loss + self.hparams["value_coef"] * value_loss + self.entropy_coef * entropy_loss

        check_loss(loss, {"policy loss": policy_loss, "value loss": value_loss, "entropy": entropy_loss})
        self.meter.add("policy_loss", policy_loss)
        self.meter.add("value_loss", value_loss)
        self.meter.add("entropy", entropy.mean())
        self.meter.add("explained_variance", explained_variance(v_t.detach(), returns))
        self.meter.count(rollout)
        self.discarded += rollout.discarded
        self._learning_from += rollout.num_steps
        return loss

    @torch.no_grad()
    def _estimate(
        self, rollout: Rollout, end: Tensor, v_t: Tensor, memory: Tensor, log_prob_t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Targets of the value head and advantages, ``[T, B]`` each, in the value head's own units."""
        v_tp1 = torch.cat([v_t[1:], self.policy.values(rollout.next_observation[-1], memory[-1]).unsqueeze(0)])
        # The next row is of another state where an episode was cut short. Termination needs no value at all.
        cut = rollout.truncated[:-1] & ~rollout.terminated[:-1]
        if cut.any():
            v_tp1[:-1][cut] = self.policy.values(rollout.next_observation[:-1][cut], memory[:-1][cut])
        discount = self.hparams["gamma"] * (~rollout.terminated).float()
        if self.return_scale is not None:
            v_t, v_tp1 = self.return_scale.restore(v_t), self.return_scale.restore(v_tp1)
        if rollout.log_prob is None:
            returns = lambda_returns(rollout.reward, discount, v_tp1, end, self.hparams["gae_lambda"])
            advantage = returns - v_t
        else:
            ratio_t = torch.exp(log_prob_t - rollout.log_prob)
            returns, advantage = vtrace(ratio_t, rollout.reward, discount, v_t, v_tp1, end, self.hparams["gae_lambda"])
        if self.return_scale is not None:
            self.return_scale.update(returns)
            returns, advantage = self.return_scale(returns), self.return_scale(advantage)
        return returns, advantage

    def configure_optimizers(self) -> Any:
        """The optimizer, and the linear fall of its learning rate."""
        try:
            optimizer = self.make_optimizer(self.policy.parameters())
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model.optimizer cannot be made: {error}") from error
        if self._restored_optimizer not in (None, type(optimizer).__name__):
            raise ConfigError(
                f"the checkpoint is of the optimizer {self._restored_optimizer}, and model.optimizer is "
                f"{type(optimizer).__name__}."
            )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._remaining)
        self._optimizer_options = [
            {key: value for key, value in group.items() if key not in ("params", "lr")}
            for group in optimizer.param_groups
        ]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _remaining(self, _: int) -> float:
        """Share of the learning rate: what is left of the training in steps, or all of it without annealing."""
        return self._left if self.hparams["anneal"] else 1.0

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer's flags say; the norm from before is logged."""
        parameters = [p for p in parameters_of(optimizer) if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.trainer.precision != "16-mixed":  # whose scaler looks for infinities itself, and skips the update
            check_gradients(norm, ((name, p.grad) for name, p in self.policy.named_parameters()))
        self.step_counter.add(self._learning_from)  # now nothing stops the update any more
        self._learning_from = 0
        self.meter.add("grad_norm", norm)
        if gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val:
            torch.nn.utils.clip_grads_with_norm_(parameters, gradient_clip_val, norm)

    # Records

    def on_train_start(self) -> None:
        """Lightning has restored a resumed optimizer's options; those of the present recipe win."""
        optimizer, schedule = self.trainer.optimizers[0], self.trainer.lr_scheduler_configs[0].scheduler
        for group, options in zip(optimizer.param_groups, self._optimizer_options, strict=True):
            group.update(options, lr=options["initial_lr"] * self._remaining(0))
        schedule.base_lrs = [options["initial_lr"] for options in self._optimizer_options]
        self.meter.start(self.steps)
        self._begun_at = time.monotonic()

    def on_train_batch_end(self, outputs: Any, batch: Rollout, batch_idx: int) -> None:
        if 0 < self.trainer.log_every_n_steps <= self.meter.updates:  # type: ignore[attr-defined]
            report = self.meter.report(self.steps) | {
                "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"],
                "steps_discarded": float(self.discarded),
            }
            self._publish({f"train/{name}": value for name, value in report.items()})
        if self.finished:
            self.trainer.should_stop = True

    def _publish(self, metrics: dict[str, float]) -> None:
        """To callbacks by Lightning's way, to the loggers with steps as the axis."""
        self.log_dict(metrics, logger=False, batch_size=1)
        axes = {"frames": float(self.steps * self.spec.frame_skip), "seconds": self.seconds}
        for logger in self.loggers:
            logger.log_metrics(metrics | axes, step=self.steps)

    # Evaluation

    def agent(self, num_envs: int) -> Agent:
        """The policy under evaluation in so many environments."""
        return Agent(self.policy, num_envs, self.hparams["deterministic_eval"], own_draws=True)

    def on_validation_epoch_start(self) -> None:
        self.episodes = []

    def validation_step(self, episode: Episode, batch_idx: int) -> None:
        """Count one finished episode."""
        self.episodes.append(episode)

    def on_validation_epoch_end(self) -> None:
        summary = summarize(self.episodes, self.spec)
        names = {"return_mean": "mean", "return_sd": "sd", "episode_length": "length"}
        if not self.trainer.sanity_checking:
            self._publish({f"val/{name}": summary[key] for name, key in names.items()})

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def predict_step(self, film: Film, batch_idx: int) -> Film:
        """Hand on an episode that is played while its pictures are read."""
        return film

    # Checkpoints: tensors and plain types only, so that ``weights_only=True`` can load them

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["spec"] = self.spec.to_plain()
        checkpoint["steps"] = self.steps
        checkpoint["discarded"] = self.discarded
        checkpoint["seconds"] = self.seconds
        checkpoint["optimizer"] = type(self.trainer.optimizers[0]).__name__ if self._trainer else None
        checkpoint["recent"] = [list(episode) for episode in self.meter.recent]
        hparams = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = {key: value for key, value in hparams.items() if is_plain(value)}

    def __getstate__(self) -> dict[str, Any]:
        """Without the optimizer's factory, which may be a closure of the command line's parser."""
        return {**super().__getstate__(), "make_optimizer": None}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the counters.

        Raises:
            ConfigError: The checkpoint is of another environment, or of none.
        """
        check_fits(checkpoint, self.spec, self.state_dict())
        self.step_counter.total = checkpoint["steps"]
        self.discarded = checkpoint.get("discarded", 0)
        self._seconds_before = checkpoint.get("seconds", 0.0)
        self._restored_optimizer = checkpoint["optimizer"]
        self.meter.recent.extend(Episode(*episode) for episode in checkpoint["recent"])

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, **kwargs: Any) -> A3C:  # type: ignore[override]
        """Like Lightning's; the spaces come from the checkpoint, and nothing but tensors and plain types is loaded."""
        kwargs.setdefault("weights_only", True)
        if "spec" not in kwargs:
            kwargs["spec"] = EnvSpec.from_plain(unseal(read_bytes(str(checkpoint_path)))["spec"])
        return super().load_from_checkpoint(checkpoint_path, **kwargs)
