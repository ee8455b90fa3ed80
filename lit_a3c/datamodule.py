"""The LightningDataModule: rollouts to learn from, episodes to score, episodes to record."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import gymnasium
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

import lit_a3c.engines.hogwild.strategy  # noqa: F401 - makes Trainer(strategy="hogwild") known to Lightning
from lit_a3c.engines.base import Engine, Learner, RolloutConfig, Saver, learner_of
from lit_a3c.engines.job import join, learners_here
from lit_a3c.engines.learners import Learners
from lit_a3c.engines.loader import RolloutLoader
from lit_a3c.engines.processes import cores, default_workers
from lit_a3c.engines.ray_pool.options import RayOptions, check_workers
from lit_a3c.engines.registry import ENGINES, EngineName, make_source, open_cluster
from lit_a3c.engines.trainer_check import check_lone_rollouts, check_trainer
from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.evaluation.play import MAX_STEPS, TEST_SEED, EpisodeBatch, EpisodeLoader, EvaluationEnvs
from lit_a3c.evaluation.process import EpisodeProcess
from lit_a3c.utils import compat, compat_parser
from lit_a3c.utils.errors import ConfigError, check_choice, check_number


class RolloutDataModule(LightningDataModule):
    """Experience from parallel environments, under the policy of the module that is being trained.

    Args:
        env_id: ``ALE/<Game>-v5``, any id of Gymnasium's registry, ``module:Id``, the path of a class or function that
            makes an environment, or the class or function itself, also one of a script or a notebook.
        total_steps: Steps (decisions, not frames) to train for, over all environments. This is the one place of the
            budget. A module that has been trained before learns from so many more. A run that is continued with
            ``ckpt_path`` counts all steps since it began.
        engine: Who steps the environments, and where gradients are applied. ``hogwild``: lock-free workers, the paper's
            A3C; needs ``Trainer(strategy="hogwild", devices=N)``, which sets it. ``async``: one learner takes each
            worker's rollout as it comes. ``sync``: one update on the rollouts of all workers. ``serial``: the same
            without processes, reproducible to the bit. ``ray``: as ``async``, with workers on the machines of a Ray
            cluster. Default: the trainer's, else ``async``.
        num_workers: Worker processes, or ``auto``: one for each core, at most 16; 1 with ``serial``; with ``ray`` as
            many as the cluster has room for. Not for ``hogwild``, whose workers are the trainer's devices.
        envs_per_worker: Environments that each worker steps as one batch.
        rollout_length: Steps that a worker takes with the same weights, the paper's ``t_max``.
        num_minibatches: Updates made of one rollout, each of its own share of the environments, and no more than there
            are environments. With as many, every update is of one environment's ``t_max`` steps, as the paper's.
        num_passes: How often each rollout is learned from, ``num_minibatches`` updates each time. With more than one,
            minibatches are of steps in random order, or of random environments where the policy is recurrent. It needs
            the module's ``vtrace``, which corrects for the updates since the actions were taken.
        renew_returns: Compute returns and advantages anew before each pass, by the value function that the earlier
            passes have changed. Else those of the first pass hold for all.
        temperature_spread: The largest temperature that an environment acts at, and the reciprocal of the smallest. The
            environments of all workers have temperatures between them, so that they explore differently. At 1 all act
            with the policy itself. More needs the module's ``vtrace``. Evaluation is not affected.
        rollouts_per_update: Rollouts that are learned from side by side, so that there are fewer, larger updates. With
            ``async`` they are taken as they come, from any worker. With ``sync`` and ``serial`` they are so many of
            every worker, one after the other, with the same weights. ``num_minibatches`` is of all of them together.
            Not for ``hogwild``.
        max_restarts: Workers that may be replaced because they crashed or hung, before the next one ends the training.
            A worker that raises an exception before its first rollout ends it at once. The process that plays the
            episodes of validations may be replaced as often.
        worker_timeout: Seconds without a rollout after which a worker is taken for hung, or without a step the process
            that plays the episodes of validations.
        average_every: Updates that each node makes between two averagings (100). Only for ``hogwild`` on several nodes:
            ``Trainer(strategy="hogwild", num_nodes=N)``.
        eval_episodes: Episodes of each validation.
        test_episodes: Episodes of ``lit-a3c test``.
        predict_episodes: Episodes that ``lit-a3c predict`` records.
        max_eval_steps: Steps after which an episode of an evaluation or a video is cut that does not end by itself. It
            counts with its return so far.
        atari: The protocol of Atari games; for these only.
        env_kwargs: Keyword arguments of the environment's constructor; not for Atari games.
        wrappers: What is put around every copy of the environment, in training, evaluation and recording; the first is
            the innermost. Subclasses of ``gymnasium.Wrapper``, ``functools.partial`` of them, or functions. Reported
            returns are of the rewards below them. Not for Atari games.
        action_mask: Whether the environment's action masks count, if it has any: ``observation["action_mask"]`` or
            ``info["action_mask"]``, in the form of ``action_space.sample(mask=...)``. Actions that a mask forbids are
            then never taken, and the network does not see the mask. Off, one in an observation is a part of it.
        ray: The cluster; for the engine ``ray`` only.

    Attributes:
        env: The environment.
        spaces: Its spaces; for the module.

    Raises:
        ConfigError: Unknown environment, unsupported spaces, or a number out of its range.
    """

    def __init__(
        self,
        env_id: str | Callable[..., gymnasium.Env],
        total_steps: int = 1_000_000,
        engine: EngineName | None = None,
        num_workers: int | Literal["auto"] = "auto",
        envs_per_worker: int = 16,
        rollout_length: int = 5,
        num_minibatches: int = 1,
        num_passes: int = 1,
        renew_returns: bool = False,
        temperature_spread: float = 1.0,
        rollouts_per_update: int = 1,
        max_restarts: int = 10,
        worker_timeout: float = 120.0,
        average_every: int | None = None,
        eval_episodes: int = 10,
        test_episodes: int = 100,
        predict_episodes: int = 1,
        max_eval_steps: int = MAX_STEPS,
        atari: AtariOptions | None = None,
        env_kwargs: dict[str, Any] | None = None,
        wrappers: list[Callable[[gymnasium.Env], gymnasium.Wrapper]] | None = None,
        action_mask: bool = True,
        ray: RayOptions | None = None,
    ) -> None:
        super().__init__()
        if engine is not None:
            check_choice("engine", engine, ENGINES)
        check_number("data.total_steps", total_steps, low=1, whole=True)
        check_workers(num_workers, engine)
        (ray or RayOptions()).check(engine or "async")
        check_number("data.envs_per_worker", envs_per_worker, low=1, high=4096, whole=True)
        check_number("data.rollout_length", rollout_length, low=1, high=100_000, whole=True)
        check_number("data.num_minibatches", num_minibatches, low=1, whole=True)
        check_number("data.num_passes", num_passes, low=1, high=1000, whole=True)
        check_number("data.temperature_spread", temperature_spread, low=1, high=100)
        check_number("data.rollouts_per_update", rollouts_per_update, low=1, high=1024, whole=True)
        check_number("data.max_restarts", max_restarts, low=0, whole=True)
        check_number("data.worker_timeout", worker_timeout, low=5)
        if average_every is not None:
            check_number("data.average_every", average_every, low=1, whole=True)
        for name, value in (("eval", eval_episodes), ("test", test_episodes), ("predict", predict_episodes)):
            check_number(f"data.{name}_episodes", value, low=1, high=100_000, whole=True)
        check_number("data.max_eval_steps", max_eval_steps, low=1, whole=True)
        around = map(compat_parser.plain_factory, wrappers or ())
        self.env = EnvConfig.of(env_id, atari, env_kwargs, around, action_mask)
        self.spaces = self.env.spaces()
        self.total_steps = total_steps
        self.engine = engine
        self.ray = (ray or RayOptions()) if engine == "ray" else None
        self.num_workers = num_workers
        self.envs_per_worker = envs_per_worker
        self.rollout_length = rollout_length
        self.num_minibatches = min(num_minibatches, envs_per_worker * rollouts_per_update)
        self.num_passes, self.renew_returns, self.temperature_spread = num_passes, renew_returns, temperature_spread
        self.rollouts_per_update = rollouts_per_update
        self.max_restarts, self.worker_timeout, self.average_every = max_restarts, worker_timeout, average_every
        self.eval_episodes, self.test_episodes, self.predict_episodes = eval_episodes, test_episodes, predict_episodes
        self.max_eval_steps = max_eval_steps
        self._strategy: Engine | None = None
        self._begins_training = True
        self._learners = Learners()
        self._open: list[RolloutLoader | EpisodeLoader | EpisodeProcess] = []

    def use_engine(self, engine: Engine) -> None:
        """Take rollouts from an engine that is the trainer's strategy.

        Raises:
            ConfigError: This data module was given another engine, or workers of its own.
        """
        name = engine.strategy_name
        if self.engine not in (None, name):
            raise ConfigError(
                f"engine {self.engine!r} is not that of Trainer(strategy={name!r}). Give only one of them."
            )
        if self.num_workers not in ("auto", engine.num_processes):
            raise ConfigError(
                f"num_workers {self.num_workers} contradicts Trainer(strategy={name!r}, "
                f"devices={engine.num_processes}). Give only one of them."
            )
        check_lone_rollouts(self.rollouts_per_update)
        self._strategy = engine

    def prepare_data(self) -> None:
        """Refuse what does not work, before a logger makes a directory.

        Raises:
            ConfigError: The trainer has an option or a callback that does not work with rollouts.
        """
        if self._trainer.world_size == 1:  # else the other processes would wait for this one
            check_trainer(self._trainer)

    def setup(self, stage: str) -> None:
        """Tell the module its budget.

        Raises:
            ConfigError: As :meth:`prepare_data`.
        """
        check_trainer(self._trainer)
        self._learners = join(self._trainer, self)
        if isinstance(learner := self._trainer.lightning_module, Learner):
            learner.learners = self._learners
        if stage == TrainerFn.FITTING and self._begins_training:
            learner_of(self._trainer).begin_training(self.total_steps)

    @property
    def workers(self) -> int:
        """The number of workers, where ``num_workers`` may be ``auto``."""
        if self.num_workers != "auto":
            return self.num_workers
        if self.ray is not None:
            return max(1, open_cluster(self.ray, self.num_workers) // self._learners.size)
        return 1 if self.engine == "serial" else max(1, default_workers() // learners_here(self.trainer))

    def rollout_config(self) -> RolloutConfig:
        """What the workers collect. A resumed run does not replay the start of the run that it continues."""
        learner, engine = learner_of(self._trainer), self._engine
        return RolloutConfig(
            env=self.env,
            spaces=self.spaces,
            engine=engine,
            num_workers=1 if self._strategy else self.workers,
            envs_per_worker=self.envs_per_worker,
            rollout_length=self.rollout_length,
            seed=self._seed + learner.ledger.learned.total,
            behaviour_log_prob=learner.needs_behaviour_log_prob,
            first_worker=self._strategy.worker if self._strategy else self._learners.rank * self.workers,
            rollouts_per_update=self.rollouts_per_update,
            resumable=engine == "serial" and self._learners.size == 1,
            max_restarts=self.max_restarts,
            worker_timeout=self.worker_timeout,
            ray=self.ray,
            temperature_spread=self.temperature_spread,
            elastic=self.ray is not None and not self.ray.sync and self.num_workers == "auto",
        )

    def train_dataloader(self) -> RolloutLoader:
        """Rollouts without end. Workers start now and act as soon as they can.

        Raises:
            ConfigError: The continued run has had its steps.
        """
        config, learner = self.rollout_config(), learner_of(self._trainer)
        assert learner.last_step is not None
        if learner.finished and self._begins_training:
            raise ConfigError(f"the run has finished its {self.total_steps:,} steps. Give it more: data.total_steps.")
        # The learner shares the cores with the workers: with more threads than cores convolutions are several
        # times slower. Where it acts itself, one thread makes small networks fast and sums reproducible.
        alone = config.engine not in ("async", "sync", "ray")
        own_cores = cores() // learners_here(self._trainer)
        torch.set_num_threads(1 if alone else max(1, own_cores - config.num_workers))
        if config.first_worker:
            torch.manual_seed(config.worker_seed(config.first_worker))  # its actions are draws of its own
        if self._strategy is not None:
            source = self._strategy.make_source(config, learner)
        else:
            self._learners.start(learner.ledger, learner.policy.modules(), learner.modules())
            source = make_source(config, learner.policy, learner.ledger)
        source.before_recovery = self._save_now
        started = functools.partial(compat.batches_started, self._trainer)
        device = next(learner.policy.parameters()).device
        last_step, parts, passes = learner.last_step, self.num_minibatches, self.num_passes
        counts = (learner.ledger, last_step, parts, started)
        returns = (learner.with_returns, self.renew_returns)
        loader = RolloutLoader(source, config, *counts, device, self._learners, passes, *returns)
        self._open.append(loader)
        return loader

    def val_dataloader(self) -> EpisodeLoader:
        """Whole episodes under the present policy.

        Beside workers they are played in a process of their own, which cannot end the training.
        """
        player = None
        if self._trainer.state.fn == TrainerFn.FITTING and self._engine != "serial":
            player = EpisodeProcess(self.env, self.worker_timeout, self.max_restarts)
            self._open.append(player)
        return self._episodes(self.eval_episodes, seed=10_000_000, player=player)

    def test_dataloader(self) -> EpisodeLoader:
        """Whole episodes under the policy to be scored."""
        return self._episodes(self.test_episodes, seed=TEST_SEED)

    def predict_dataloader(self) -> EpisodeLoader:
        """Episodes to be recorded, one at a time."""
        return self._episodes(self.predict_episodes, seed=30_000_000, max_envs=1, render=True)

    def recording(self, seed: int) -> EpisodeBatch:
        """One episode to be recorded. Its environment is the caller's to close: ``batch.envs.close()``."""
        envs = EvaluationEnvs(self.env, 1, self.max_eval_steps, render=True)
        return EpisodeBatch(envs, self._seed + seed, 1, self._check)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has a trainer and environments of its own."""
        fresh: dict[str, Any] = {
            "trainer": None,
            "_strategy": None,
            "_begins_training": False,
            "_open": [],
            "_learners": Learners(),
        }
        return {**self.__dict__, **fresh, "engine": None, "num_workers": "auto", "average_every": None}

    def teardown(self, stage: str) -> None:
        self._close()

    def on_exception(self, exception: BaseException) -> None:
        """Lightning calls no ``teardown`` on this way out."""
        self._close()

    def _episodes(self, count: int, seed: int, **kwargs: Any) -> EpisodeLoader:
        kwargs["max_steps"] = self.max_eval_steps
        first, count = self._learners.share_of(count)
        loader = EpisodeLoader(self.env, count, self._seed + seed + first, self._check, **kwargs)
        self._open.append(loader)
        return loader

    def _save_now(self) -> None:
        """Save, because the run may not get far without what it has just lost."""
        for callback in compat.callbacks_of(self._trainer):
            if isinstance(callback, Saver):
                callback.save_now(self._trainer)

    def _check(self) -> None:
        """An evaluation may take long: a worker that fails meanwhile is replaced at once."""
        if self._strategy is not None:
            self._strategy.check()

    def _close(self) -> None:
        for loader in self._open:
            loader.close()
        self._open, self._strategy = [], None
        self._learners.end()

    @property
    def _engine(self) -> str:
        if self._strategy is not None:
            return self._strategy.strategy_name
        if self.engine == "hogwild":
            raise ConfigError("engine 'hogwild' is a strategy of the trainer: Trainer(strategy='hogwild', devices=N).")
        return self.engine or "async"

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise ConfigError("RolloutDataModule acts with the policy of a module: pass both to a Trainer.")
        return self.trainer

    @property
    def _seed(self) -> int:
        """From ``seed_everything``; of several learners that of rank 0."""
        shared = self._learners.seed
        return (torch.initial_seed() if shared is None else shared) % 2**30
