"""A3C as a LightningModule: what is learned from a rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c import losses
from lit_a3c.engines.base import OptimizerFactory
from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.actor_critic import ActorCritic, HeadFactory, PolicyOutput
from lit_a3c.networks.bodies import default_body
from lit_a3c.networks.encoder import BodyFactory, RecurrentFactory
from lit_a3c.networks.heads import default_head
from lit_a3c.networks.normalization import ReturnScale
from lit_a3c.optim import LinearSchedule, RMSprop, gradient_norm, make_optimizer
from lit_a3c.policy_module import PolicyModule
from lit_a3c.returns import explained_variance, lambda_returns, vtrace
from lit_a3c.rollout import AppliedUpdates, Rollout
from lit_a3c.utils import compat
from lit_a3c.utils.errors import ConfigError, check_choice, check_number
from lit_a3c.utils.finite import check_gradients, check_loss


class A3C(PolicyModule):
    """Advantage actor-critic on n-step rollouts, Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783.

    The budget of a training is ``RolloutDataModule.total_steps`` alone. The module learns it when a training begins.

    Args:
        spaces: The environment's spaces; from the data module.
        gamma: Discount of one step.
        gae_lambda: 1 gives the paper's n-step returns, less gives the lambda-returns of GAE.
        vtrace: Correct for the policy lag of asynchronous workers, as Espeholt et al. (2018) do. Off, returns are
            the paper's, as if the weights that learn had acted.
        clip_ratio: Learn nothing more from a step once the policy's ratio to the one before the first pass has moved so
            far from 1 in the direction of the advantage, as PPO does. With one pass it is the ratio to the policy that
            acted. It needs ``vtrace``, and suits ``data.num_passes`` above 1. Default: no bound.
        normalize_advantage: Shift and scale the advantages of each update to mean 0 and standard deviation 1.
        entropy_coef: Weight of the entropy, the paper's beta. More keeps the policy more random.
        final_entropy_coef: Weight of the entropy at the end; it changes linearly in steps. Default: it does not change.
        value_coef: Weight of the squared error of the value, ``(G - v)^2``.
        loss_reduction: ``mean`` or ``sum`` over the steps of a rollout. The paper sums over ``t_max`` steps of one
            environment. A mean keeps the step size independent of rollout length and number of environments.
        normalize_returns: Let the value head predict returns divided by their running standard deviation.
        deterministic_eval: Evaluate with the most likely action instead of a drawn one.
        anneal_lr: Let the learning rate fall linearly to zero over the budget.
        body: Makes the body, the network from observations to features. Default: by the observation space.
        head: Makes the action head, which turns features into a distribution of actions. Default: by the action space,
            one head for each of its components.
        recurrent: Makes a recurrent core between body and heads, for example ``lit_a3c.LSTM``. Default: none.
        share_body: Let policy and value stand on one body (and recurrent core). Off, each has its own.
        optimizer: Makes the optimizer from the parameters: ``lit_a3c.RMSprop`` or any of ``torch.optim``, such as
            ``Adam``.

    Raises:
        ConfigError: A number is out of its range, or body or head do not fit the spaces.
    """

    def __init__(
        self,
        spaces: EnvSpaces,
        *,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        vtrace: bool = False,
        clip_ratio: float | None = None,
        normalize_advantage: bool = False,
        entropy_coef: float = 0.01,
        final_entropy_coef: float | None = None,
        value_coef: float = 0.5,
        loss_reduction: Literal["mean", "sum"] = "mean",
        normalize_returns: bool = False,
        deterministic_eval: bool = False,
        anneal_lr: bool = True,
        body: BodyFactory = default_body,
        head: HeadFactory = default_head,
        recurrent: RecurrentFactory | None = None,
        share_body: bool = True,
        optimizer: OptimizerFactory = RMSprop,
    ) -> None:
        super().__init__(spaces)
        check_number("model.gamma", gamma, low=0, high=1)
        check_number("model.gae_lambda", gae_lambda, low=0, high=1)
        if clip_ratio is not None:
            check_number("model.clip_ratio", clip_ratio, above=0)
            if not vtrace:
                raise ConfigError("model.clip_ratio needs the ratios of model.vtrace: --model.vtrace true.")
        check_number("model.entropy_coef", entropy_coef, low=0)
        if final_entropy_coef is not None:
            check_number("model.final_entropy_coef", final_entropy_coef, low=0)
        check_number("model.value_coef", value_coef, low=0)
        check_choice("model.loss_reduction", loss_reduction, ("mean", "sum"))
        self.save_hyperparameters(ignore=["spaces"], logger=False)
        self.make_optimizer = optimizer
        self.policy = ActorCritic(spaces, body, head, recurrent, share_body)
        self.return_scale = ReturnScale() if normalize_returns else None
        self._schedule: LinearSchedule | None = None

    @property
    def needs_behaviour_log_prob(self) -> bool:
        """Whether rollouts must carry the log-probabilities of their actions: V-trace needs them."""
        return bool(self.hparams["vtrace"])

    @property
    def entropy_coef(self) -> float:
        """The present weight of the entropy."""
        first, last = self.hparams["entropy_coef"], self.hparams["final_entropy_coef"]
        return first if last is None else last + (first - last) * self.share_left

    # Learning

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        """One update's loss.

        Args:
            rollout: ``[T, B]`` steps.
            batch_idx: Not used.
        """
        if not rollout.repeated:
            self.policy.observe(rollout.observation, rollout.batch_first)
        self.learners.begin_update()
        output, log_prob_t, log_ratio_t = self._evaluate(rollout)
        distribution, v_t = output.distribution, output.value
        returns, advantage = rollout.returns, rollout.advantage
        if returns is None or advantage is None:
            returns, advantage = self._targets(rollout, output, log_ratio_t)
        if self.return_scale is not None:
            if not rollout.repeated:
                self.return_scale.update(returns, self.learners.merge)
            v_t, returns, advantage = map(self.return_scale, (v_t, returns, advantage))
        near = rollout.proximal_log_prob
        advantage = self._restrain(advantage, log_ratio_t, None if near is None else log_prob_t.detach() - near)

        reduce = torch.mean if self.hparams["loss_reduction"] == "mean" else torch.sum
        policy_loss = reduce(losses.policy_gradient_loss(log_prob_t, advantage))
        value_loss = reduce(losses.value_loss(v_t, returns))
        with torch.set_grad_enabled(self.entropy_coef > 0):  # a Beta's gradient is dear: not where it has no weight
            entropy = distribution.entropy()
        entropy_loss = reduce(losses.entropy_loss(entropy))
        loss = policy_loss + self.hparams["value_coef"] * value_loss + self.entropy_coef * entropy_loss

        check_loss(loss, {"policy loss": policy_loss, "value loss": value_loss, "entropy": entropy_loss})
        self.metrics.add("policy_loss", policy_loss)
        self.metrics.add("value_loss", value_loss)
        self.metrics.add("entropy", entropy.mean())
        self.metrics.add("explained_variance", explained_variance(v_t.detach(), returns))
        self.metrics.count(rollout, policy_lag=self.ledger.updates.total - rollout.mean_policy_version)
        self.ledger.stage(rollout.new_steps * self.learners.size)  # all have rollouts of one size
        return loss

    @torch.no_grad()
    def with_returns(self, rollout: Rollout) -> Rollout:
        """A rollout with returns and advantages by the present weights, for the passes over it.

        Args:
            rollout: ``[T, B]`` steps. Those of an earlier pass keep the policy before the first one.
        """
        output, log_prob_t, log_ratio_t = self._evaluate(rollout)
        returns, advantage = self._targets(rollout, output, log_ratio_t)
        proximal = log_prob_t if rollout.proximal_log_prob is None else rollout.proximal_log_prob
        return replace(rollout, returns=returns, advantage=advantage, proximal_log_prob=proximal)

    def _evaluate(self, rollout: Rollout) -> tuple[PolicyOutput, Tensor, Tensor | None]:
        """What the network says of a rollout, with values in units of the rewards.

        With it come ``log pi(a_t|s_t)`` and, where the rollout tells of mu, ``log(pi(a_t|s_t) / mu(a_t|s_t))``, which
        has no gradient. All are ``[T, B]``.
        """
        recurrent_state = None if rollout.recurrent_state is None else rollout.recurrent_state[0]
        output = self.policy(rollout.observation, recurrent_state, rollout.done, rollout.batch_first)
        output = output._replace(value=self._in_returns(output.value))
        log_prob_t, mu_t = output.distribution.log_prob(rollout.action), rollout.behaviour_log_prob
        return output, log_prob_t, None if mu_t is None else log_prob_t.detach() - mu_t

    def _in_returns(self, values: Tensor) -> Tensor:
        """The value head's outputs in units of the rewards."""
        return values if self.return_scale is None else self.return_scale.restore(values)

    @torch.no_grad()
    def _targets(self, rollout: Rollout, output: PolicyOutput, log_ratio_t: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns and advantages, ``[T, B]`` each, in units of the rewards."""
        state_t, v_t, done = output.recurrent_state, output.value.detach(), rollout.done
        last = self._in_returns(self.policy.values(rollout.next_observation[-1], state_t[-1]))
        v_tp1 = torch.cat([v_t[1:], last.unsqueeze(0)])
        # The next row is of another state where an episode was cut short. Termination needs no value at all.
        cut = rollout.truncated[:-1] & ~rollout.terminated[:-1]
        if cut.any():
            values = self.policy.values(rollout.next_observation[:-1][cut], state_t[:-1][cut])
            v_tp1[:-1][cut] = self._in_returns(values)
        discount = self.hparams["gamma"] * (~rollout.terminated).float()
        lambda_ = self.hparams["gae_lambda"]
        if log_ratio_t is None:
            returns = lambda_returns(rollout.reward, discount, v_tp1, done, lambda_)
            return returns, returns - v_t
        return vtrace(log_ratio_t.exp(), rollout.reward, discount, v_t, v_tp1, done, lambda_)

    def _restrain(self, advantage: Tensor, log_ratio_t: Tensor | None, log_moved_t: Tensor | None = None) -> Tensor:
        """The advantages that the policy learns from, weighed by the ratios, ``[T, B]``.

        ``log_moved_t`` is the log-ratio to the policy before the first pass; None for that to the one that acted. The
        two differ where actors lag behind or act at a temperature, which uses up no part of the bound (Hilton et al.
        2022, arXiv:2110.00641).
        """
        if self.hparams["normalize_advantage"]:
            advantage = losses.standardize(advantage)
        if log_ratio_t is None:
            return advantage
        self.metrics.add("kl", losses.kl_divergence(log_ratio_t).mean())
        rho_t = log_ratio_t.exp().clamp(max=1)
        if (clip_ratio := self.hparams["clip_ratio"]) is not None:
            moved_t = (log_ratio_t if log_moved_t is None else log_moved_t).exp()
            clipped = losses.has_moved_enough(moved_t, advantage, clip_ratio)
            self.metrics.add("clip_fraction", clipped.float().mean())
            rho_t = rho_t.masked_fill(clipped, 0.0)
        return rho_t * advantage

    def configure_optimizers(self) -> Any:
        """The optimizer, and the linear fall of its learning rate."""
        optimizer = make_optimizer(self.make_optimizer, self.policy.parameters(), self.optimizer_in_checkpoint)
        optimizer.register_step_post_hook(self._after_update)
        self._schedule = LinearSchedule(optimizer, lambda: self.share_left if self.hparams["anneal_lr"] else 1.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self._schedule, "interval": "step"}}

    def _after_update(self, *_: Any) -> None:
        """Here the parameters are those that the optimizer changed: the shared ones of lock-free workers."""
        self.ledger.record_update()
        self.metrics.record_update()
        if self.return_scale is not None:
            self.return_scale.carry_over(self.policy.value)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer's flags say; the norm from before is logged."""
        parameters, norm = gradient_norm(optimizer)
        if self.trainer.precision != "16-mixed":  # whose scaler looks for infinities itself, and skips the update
            check_gradients(norm, ((name, p.grad) for name, p in self.policy.named_parameters()))
        self.metrics.add("grad_norm", norm)
        if gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val:
            torch.nn.utils.clip_grads_with_norm_(parameters, gradient_clip_val, norm)

    # Records

    def on_train_start(self) -> None:
        """Lightning has restored a resumed optimizer's options; those of the present config win."""
        assert self._schedule is not None
        self._schedule.restore_options()
        self.metrics.start(self.steps)
        self.start_clock()

    def on_train_batch_end(self, outputs: Any, batch: Rollout | AppliedUpdates, batch_idx: int) -> None:
        if 0 < compat.log_interval(self.trainer) <= self.metrics.updates:
            if self.learners.size > 1:
                self.metrics.combine(self.learners.collect(self.metrics.take()), self.learners.rank)
            report = self.metrics.report(self.steps) | {
                "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"],
                "steps_in_flight": float(self.ledger.in_flight),
                "steps_discarded": float(self.ledger.discarded.total),
            }
            self.publish({f"train/{name}": value for name, value in report.items()})
        if self.finished and not isinstance(batch, AppliedUpdates):  # else the source waits for all workers, and stops
            self.trainer.should_stop = True
