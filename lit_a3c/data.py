"""The LightningDataModule: rollouts to train on, episodes to score, films to watch."""

from __future__ import annotations

import warnings
from typing import Any, cast

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from lit_a3c.actor import CollectConfig
from lit_a3c.collect import MODES
from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.errors import ConfigError, check_choice, check_number
from lit_a3c.evaluate import Act, EpisodeLoader, Film
from lit_a3c.processes import cores, default_workers
from lit_a3c.strategies import Hogwild
from lit_a3c.stream import RolloutStream


class RolloutData(LightningDataModule):
    """Experience from parallel environments, under the policy of the module that is being trained.

    Args:
        env_id: ``ALE/<Game>-v5``, any id of Gymnasium's registry, or ``module:Id``.
        total_steps: Steps (decisions, not frames) to train for, over all environments.
        mode: ``async`` (each worker's rollout is learned from as it comes; the default), ``sync`` (one update on all
            workers' rollouts) or ``serial`` (the same without processes, reproducible to the bit). Not for the strategy
            ``hogwild``, under which every process collects for itself.
        num_workers: Worker processes. Default: one per core, at most 16; 1 in ``serial`` mode. Not for ``hogwild``,
            whose workers are the trainer's devices.
        envs_per_worker: Environments that each worker steps as one batch.
        rollout_length: Steps that a worker takes with the same weights, the paper's ``t_max``.
        updates_per_rollout: Updates made of one rollout, each of its own share of the environments, and no more than
            there are environments. With as many, every update is of one environment's ``t_max`` steps, as the paper's.
        max_restarts: Workers that may be replaced because they crashed or hung, before the next one ends the training.
            The first that raises an exception before its first rollout does so at once.
        worker_timeout: Seconds without a rollout after which a worker is taken for hung.
        eval_episodes: Episodes of each validation.
        test_episodes: Episodes of ``lit-a3c test``.
        predict_episodes: Episodes that ``lit-a3c predict`` films.
        atari: The protocol of Atari games; for these only.
        env_kwargs: Keyword arguments of the environment's constructor; not for Atari games.

    Raises:
        ConfigError: Unknown environment, unsupported spaces, or a number out of its range.
    """

    def __init__(
        self,
        env_id: str,
        total_steps: int = 1_000_000,
        mode: str | None = None,
        num_workers: int | None = None,
        envs_per_worker: int = 16,
        rollout_length: int = 5,
        updates_per_rollout: int = 1,
        max_restarts: int = 10,
        worker_timeout: float = 120.0,
        eval_episodes: int = 10,
        test_episodes: int = 100,
        predict_episodes: int = 1,
        atari: AtariOptions | None = None,
        env_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if mode is not None:
            check_choice("data.mode", mode, MODES)
        check_number("data.total_steps", total_steps, low=1, whole=True)
        if num_workers is not None:
            check_number("data.num_workers", num_workers, low=1, high=1024, whole=True)
        check_number("data.envs_per_worker", envs_per_worker, low=1, high=4096, whole=True)
        check_number("data.rollout_length", rollout_length, low=1, high=100_000, whole=True)
        check_number("data.updates_per_rollout", updates_per_rollout, low=1, whole=True)
        check_number("data.max_restarts", max_restarts, low=0, whole=True)
        check_number("data.worker_timeout", worker_timeout, low=5)
        for name, value in (("eval", eval_episodes), ("test", test_episodes), ("predict", predict_episodes)):
            check_number(f"data.{name}_episodes", value, low=1, high=100_000, whole=True)
        self.env = EnvConfig(env_id, atari, env_kwargs or {})
        self.spec = self.env.spec()
        self.total_steps = total_steps
        self.mode = mode or "async"
        self.num_workers = num_workers or (1 if mode == "serial" else default_workers())
        self.envs_per_worker = envs_per_worker
        self.rollout_length = rollout_length
        self.updates_per_rollout = min(updates_per_rollout, envs_per_worker)
        self.max_restarts, self.worker_timeout = max_restarts, worker_timeout
        self.eval_episodes, self.test_episodes, self.predict_episodes = eval_episodes, test_episodes, predict_episodes
        self._open: list[RolloutStream | EpisodeLoader] = []
        self._stream: RolloutStream | None = None
        self._state: dict[str, Any] = {}

    def collect_config(self) -> CollectConfig:
        """What the workers do. A resumed run does not replay the start of the run that it continues."""
        trainer = self._trainer
        hogwild = isinstance(trainer.strategy, Hogwild)
        return CollectConfig(
            env=self.env,
            spec=self.spec,
            mode="serial" if hogwild else self.mode,
            num_workers=1 if hogwild else self.num_workers,
            envs_per_worker=self.envs_per_worker,
            rollout_length=self.rollout_length,
            seed=self._seed + cast(Any, trainer.lightning_module).steps,
            log_prob=bool(cast(Any, trainer.lightning_module).hparams["vtrace"]),
            first_worker=trainer.global_rank,
            resumable=self.mode == "serial" and not hogwild,
            max_restarts=self.max_restarts,
            worker_timeout=self.worker_timeout,
            taken=cast(Hogwild, trainer.strategy).taken if hogwild else None,
        )

    def train_dataloader(self) -> RolloutStream:
        """Rollouts without end; workers start now and act as soon as they can."""
        config = self.collect_config()
        # The learner shares the cores with the workers: with more threads than cores convolutions are several
        # times slower. Serial, one thread makes small networks fast and sums reproducible.
        torch.set_num_threads(1 if config.mode == "serial" else max(1, cores() - config.num_workers))
        if config.first_worker:
            torch.manual_seed(config.worker_seed(config.first_worker))  # its actions are draws of its own
        stream = RolloutStream(self._trainer, config, self.total_steps, self.updates_per_rollout)
        self._stream = stream
        if self._state and not stream.resume(self._state):
            warnings.warn("the checkpoint is of other environments or another mode: episodes begin anew.", stacklevel=2)
        self._state = {}
        return self._keep(stream)

    def val_dataloader(self) -> EpisodeLoader:
        """Whole episodes under the present policy."""
        return self._episodes(self.eval_episodes, seed=self._seed + 10_000_000)

    def test_dataloader(self) -> EpisodeLoader:
        """Whole episodes under the policy to be scored."""
        return self._episodes(self.test_episodes, seed=self._seed + 20_000_000)

    def predict_dataloader(self) -> DataLoader[Film]:
        """Episodes to be filmed."""
        films: Any = [self.film(seed=30_000_000 + i) for i in range(self.predict_episodes)]
        return DataLoader(films, batch_size=None)

    def film(self, seed: int) -> Film:
        """One episode under the present policy; it is played while its pictures are read."""
        return Film(self.env, self._agent, self._seed + seed)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: in the mode ``serial`` the exact state of environments and draws."""
        return self._stream.state() if self._stream else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint, before the workers start."""
        self._state = state_dict

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which has a trainer and environments of its own."""
        return {**self.__dict__, "trainer": None, "_open": [], "_stream": None}

    def teardown(self, stage: str) -> None:
        self._close()

    def on_exception(self, exception: BaseException) -> None:
        """Lightning calls no ``teardown`` on this way out."""
        self._close()

    def _episodes(self, count: int, seed: int) -> EpisodeLoader:
        return self._keep(EpisodeLoader(self.env, self._agent, count, seed))

    def _agent(self, num_envs: int) -> Act:
        """The policy. An evaluation may take long, and a worker that fails meanwhile is not left unheard."""
        agent: Act = cast(Any, self._trainer.lightning_module).agent(num_envs)
        strategy = self._trainer.strategy
        if not isinstance(strategy, Hogwild):
            return agent

        def act(observation: Tensor, begun: Tensor) -> Tensor:
            strategy.check()
            return agent(observation, begun)

        return act

    def _keep(self, loader: Any) -> Any:
        self._open.append(loader)
        return loader

    def _close(self) -> None:
        for loader in self._open:
            loader.close()
        self._open = []

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise ConfigError("RolloutData acts with the policy of a module: pass both to a Trainer.")
        return self.trainer

    @property
    def _seed(self) -> int:
        """From ``seed_everything``."""
        return torch.initial_seed() % 2**30
