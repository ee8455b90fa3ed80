"""Episodes are played whole, and which of them count does not depend on their lengths."""

from __future__ import annotations

import functools
import math
from contextlib import closing

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from lit_a3c import A3C, Agent, Episode, RolloutDataModule
from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.evaluation.play import Act, EpisodeBatch, EpisodeLoader, EvaluationEnvs, play
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.recurrent import LSTM
from tests.dummy_envs import LIMIT, dummy
from tests.trainers import quiet


def zero(observation: Tensor, is_init: Tensor) -> Tensor:
    """Action 0 everywhere."""
    return torch.zeros(len(observation), dtype=torch.int64)


def played(act: Act, env_id: str, num_envs: int, num_episodes: int, seed: int = 0) -> list[Episode]:
    """One batch of episodes."""
    with closing(EvaluationEnvs(EnvConfig(env_id), num_envs)) as envs:
        return play(act, EpisodeBatch(envs, seed, num_episodes))


def all_of(loader: EpisodeLoader, act: Act = zero) -> list[Episode]:
    """The episodes of a whole pass."""
    return [episode for batch in loader for episode in play(act, batch)]


def test_play_gives_one_episode_of_each_of_the_first_environments() -> None:
    """In their order, whatever the lengths of their episodes."""
    episodes = played(zero, dummy("Lengths"), num_envs=12, num_episodes=9)
    assert [episode.env for episode in episodes] == list(range(9))
    assert {episode.length for episode in episodes} == {1, 20}


def test_play_does_not_favour_short_episodes() -> None:
    """Half of the episodes have 1 step and half 20: the mean is 10.5. Among the first to end it is far lower."""
    with closing(EvaluationEnvs(EnvConfig(dummy("Lengths")), 40)) as envs:
        lengths = [episode.length for i in range(5) for episode in play(zero, EpisodeBatch(envs, 40 * i, 40))]
        env = envs.seeded(0)
        env.torchrl.rollout(20, auto_reset=True)
        first_to_end = [episode.length for episode in env.pop_finished()[:40]]
    assert len(lengths) == 200
    assert np.mean(lengths) == pytest.approx(10.5, abs=4 * 9.5 / math.sqrt(200))
    assert np.mean(first_to_end) < 5


def test_play_starts_with_whole_episodes() -> None:
    """Steps that were taken before do not count."""
    with closing(EvaluationEnvs(EnvConfig(dummy("TimeLimit")), 2)) as envs:
        batch = EpisodeBatch(envs, 0, 2)
        envs.seeded(0).torchrl.rollout(3)
        assert play(zero, batch) == [Episode(i, LIMIT, LIMIT) for i in range(2)]
        assert play(zero, batch) == [Episode(i, LIMIT, LIMIT) for i in range(2)]


def test_the_policy_plays() -> None:
    """A policy that copies the shown action earns 1 a step, and one that avoids it 0."""
    right = played(lambda x, _: x.argmax(-1), dummy("Identity"), 3, 3)
    wrong = played(lambda x, _: (x.argmax(-1) + 1) % 4, dummy("Identity"), 3, 3)
    assert [e.episode_return for e in right] == [10.0] * 3
    assert [e.episode_return for e in wrong] == [0.0] * 3


def test_the_batch_is_asked_at_every_step() -> None:
    """An evaluation may take long: who plays looks after something else meanwhile, and sees each image."""
    checks, images = [], []
    with closing(EvaluationEnvs(EnvConfig(dummy("TimeLimit")), 1, render=True)) as envs:
        batch = EpisodeBatch(envs, 0, 1, check=lambda: checks.append(1))
        batch.on_frame = lambda frame: images.append((frame.image.mean(), frame.fps))
        play(zero, batch)
    assert len(checks) == LIMIT
    assert images == [(20.0 * t, 10) for t in range(LIMIT)]


def test_recurrent_states_are_their_environments_own() -> None:
    """The same starts give the same episodes, actions and states alone and beside others that end elsewhere."""
    config = EnvConfig("CartPole-v1")
    policy = ActorCritic(config.spaces(), recurrent=functools.partial(LSTM, hidden_size=4))

    def first(num_envs: int) -> tuple[list[Episode], Tensor, Tensor]:
        """Ten batches of episodes; actions and states in the first environment's first episodes."""
        agent = Agent(policy, num_envs, deterministic=True)
        episodes: list[Episode] = []
        actions: list[Tensor] = []
        states: list[Tensor] = []

        def act(observation: Tensor, is_init: Tensor) -> Tensor:
            action = agent(observation, is_init)
            actions.append(action[0])
            states.append(agent.recurrent_state[0])
            return action

        with closing(EvaluationEnvs(config, num_envs)) as envs:
            for i in range(10):
                before = len(actions)
                episodes += play(act, EpisodeBatch(envs, 100 * i, num_envs))
                end = before + episodes[-num_envs].length
                del actions[end:], states[end:]
        return episodes, torch.stack(actions), torch.stack(states)

    episodes, actions, states = first(1)
    all_episodes, all_actions, all_states = first(4)
    assert episodes == [episode for episode in all_episodes if episode.env == 0]
    assert torch.equal(all_actions, actions)
    torch.testing.assert_close(all_states, states)
    assert set(actions.tolist()) == {0, 1}
    assert len({episode.length for episode in all_episodes}) > 1, "the others end at other times"


def test_every_episode_begins_with_the_recurrent_state_zero() -> None:
    """Episodes that look the same leave the same states, however long the one before was."""
    config = EnvConfig(dummy("Lengths"))
    policy = ActorCritic(config.spaces(), recurrent=functools.partial(LSTM, hidden_size=4))
    agent = Agent(policy, 4)
    states: dict[int, list[Tensor]] = {}

    def act(observation: Tensor, is_init: Tensor) -> Tensor:
        action = agent(observation, is_init)
        for t, state in zip(observation[:, 0].tolist(), agent.recurrent_state, strict=True):
            states.setdefault(int(t), []).append(state)
        return action

    with closing(EvaluationEnvs(config, 4)) as envs:
        lengths = {episode.length for seed in (0, 4, 8) for episode in play(act, EpisodeBatch(envs, seed, 4))}
    assert lengths == {1, 20}
    for same in states.values():
        torch.testing.assert_close(torch.stack(same), same[0].expand(len(same), -1))
    assert not torch.allclose(states[0][0], states[1][0])


# The loader


@pytest.mark.parametrize(
    ("episodes", "batches"), [(10, [10]), (100, [20] * 5), (30, [20, 10]), (7, [7]), (23, [20, 3]), (1, [1])]
)
def test_loader_plays_as_many_as_it_says(episodes: int, batches: list[int]) -> None:
    """In at most twenty environments at once."""
    with closing(EpisodeLoader(EnvConfig(dummy("TimeLimit")), episodes, seed=0)) as loader:
        assert len(loader) == len(batches)
        assert [[episode.env for episode in play(zero, batch)] for batch in loader] == [list(range(n)) for n in batches]


def test_every_pass_starts_from_the_same_seed() -> None:
    """Two passes see the same starts, also after a pass cut short and after close. Another seed sees others."""
    with closing(EpisodeLoader(EnvConfig("CartPole-v1"), 8, seed=5, max_envs=4)) as loader:
        first = all_of(loader)
        assert first[:4] != first[4:]
        play(zero, next(iter(loader)))
        assert all_of(loader) == first
        loader.close()
        loader.close()
        assert all_of(loader) == first
    with closing(EpisodeLoader(EnvConfig("CartPole-v1"), 8, seed=500, max_envs=4)) as other:
        assert all_of(other) != first


def test_the_starts_do_not_depend_on_the_number_of_environments() -> None:
    """Episode number ``n`` starts from seed ``+ n``, so a score is of as many different starts as it has episodes."""
    lengths = []
    for max_envs in (1, 5, 20):
        with closing(EpisodeLoader(EnvConfig("CartPole-v1"), 12, seed=5, max_envs=max_envs)) as loader:
            lengths.append([episode.length for episode in all_of(loader)])
    assert lengths[0] == lengths[1] == lengths[2]


def test_atari_is_scored_raw() -> None:
    """Unclipped rewards of whole games: dots pay tens."""
    draws = torch.Generator().manual_seed(1)
    config = EnvConfig("ALE/MsPacman-v5", AtariOptions(max_frames=400))
    with closing(EpisodeLoader(config, 2, seed=0)) as loader:
        episodes = all_of(loader, lambda x, _: torch.randint(0, 9, (len(x),), generator=draws))
    assert all(episode.episode_return >= 10 and episode.episode_return % 10 == 0 for episode in episodes)


# In a trainer


def test_predict_plays_whole_episodes_and_shows_them() -> None:
    """``trainer.predict`` returns the episodes of each batch. The images go to ``batch.on_frame``."""
    images: list[list[float]] = []

    class Watch(Callback):
        def on_predict_batch_start(self, trainer: object, pl_module: object, batch: EpisodeBatch, *_: object) -> None:
            images.append([])
            batch.on_frame = lambda frame: images[-1].append(frame.image.mean())

    data = RolloutDataModule(dummy("TimeLimit"), predict_episodes=3)
    module = A3C(data.spaces)
    assert quiet(callbacks=[Watch()]).predict(module, data) == [[Episode(0, LIMIT, LIMIT)]] * 3
    assert images == [[20.0 * t for t in range(LIMIT)]] * 3
    data = RolloutDataModule(dummy("TimeLimit"), predict_episodes=2)
    assert quiet().predict(module, data) == [[Episode(0, LIMIT, LIMIT)]] * 2, "nothing need be shown"


def test_an_episode_that_does_not_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """It counts with its return so far, and a warning names it. Those that end by themselves stay as they are."""
    with closing(EvaluationEnvs(EnvConfig(dummy("Lengths")), 8, max_steps=15)) as envs:
        episodes = play(zero, EpisodeBatch(envs, 0, 8))
    assert {episode.length for episode in episodes} == {1, 15}
    assert all(episode.episode_return == episode.length for episode in episodes)
    assert [episode.env for episode in episodes] == list(range(8))
    cut = sum(episode.length == 15 for episode in episodes)
    assert [record.getMessage() for record in caplog.records] == [
        f"lit-a3c: {cut} of 8 evaluation episodes did not end in 15 steps (data.max_eval_steps). They are cut, and "
        f"count with their returns so far: {', '.join(['15'] * cut)}"
    ]


def test_an_episode_that_ends_with_its_last_step_is_not_cut(caplog: pytest.LogCaptureFixture) -> None:
    with closing(EvaluationEnvs(EnvConfig(dummy("TimeLimit")), 2, max_steps=LIMIT)) as envs:
        assert [episode.length for episode in play(zero, EpisodeBatch(envs, 0, 2))] == [LIMIT] * 2
    assert not caplog.records


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_every_evaluation_is_cut(stage: str) -> None:
    """The option is one of the data module."""
    data = RolloutDataModule(dummy("Counter"), 100, max_eval_steps=9, eval_episodes=2, test_episodes=2)
    loader = getattr(data, {"validate": "val", "test": "test", "predict": "predict"}[stage] + "_dataloader")
    data.trainer = quiet()
    assert {episode.length for episode in all_of(loader())} == {9}
    data.teardown(stage)
