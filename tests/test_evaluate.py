from __future__ import annotations

import functools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpec, Episode
from lit_a3c.evaluate import Act, EpisodeLoader, Film, play, summarize
from lit_a3c.memory import LSTM
from lit_a3c.policy import ActorCritic, Agent
from tests.toys import LIMIT, toy


def zero(observation: Tensor, begun: Tensor) -> Tensor:
    """Action 0 everywhere."""
    return torch.zeros(len(observation), dtype=torch.int64)


def zeros(num_envs: int) -> Act:
    """A policy for so many environments."""
    return zero


def spec(env_id: str = "X-v0", frame_skip: int = 1) -> EnvSpec:
    return EnvSpec(env_id, Discrete(1), Discrete(1), frame_skip)


def test_play_gives_each_environment_the_same_number() -> None:
    """Whatever the lengths of their episodes."""
    env = EnvConfig(toy("Lengths")).make(6, seed=0, training=False)
    episodes = list(play(zero, env, 4))
    env.close()
    assert Counter(episode.env for episode in episodes) == dict.fromkeys(range(6), 4)
    assert {episode.length for episode in episodes} == {1, 20}


def test_play_does_not_favour_short_episodes() -> None:
    """Half of the episodes have 1 step and half 20: the mean is 10.5, and far lower among the first to end."""
    env = EnvConfig(toy("Lengths")).make(40, seed=0, training=False)
    lengths = [episode.length for episode in play(zero, env, 5)]
    env.close()
    assert len(lengths) == 200
    assert np.mean(lengths) == pytest.approx(10.5, abs=4 * 9.5 / math.sqrt(200))
    assert np.mean(lengths[:40]) < 5, "the first to end are short ones"


def test_play_starts_with_whole_episodes() -> None:
    """Steps taken before do not count."""
    env = EnvConfig(toy("TimeLimit")).make(2, seed=0, training=False)
    first = next(play(zero, env, 1))
    env.torchrl.rollout(3)
    episodes = list(play(zero, env, 2))
    env.close()
    assert first == Episode(0, LIMIT, LIMIT)
    assert episodes == [Episode(i, LIMIT, LIMIT) for _ in range(2) for i in range(2)]


def test_the_policy_plays() -> None:
    """A policy that copies the shown action earns 1 a step, one that avoids it 0."""
    env = EnvConfig(toy("Identity")).make(3, seed=0, training=False)
    assert [e.ret for e in play(lambda x, _: x.argmax(-1), env, 2)] == [10.0] * 6
    assert [e.ret for e in play(lambda x, _: (x.argmax(-1) + 1) % 4, env, 1)] == [0.0] * 3
    env.close()


def test_a_memory_is_its_environments_own() -> None:
    """The same starts give the same episodes, actions and memories alone and beside others that end elsewhere."""
    config = EnvConfig("CartPole-v1")
    policy = ActorCritic(config.spec(), memory=functools.partial(LSTM, hidden_size=4))

    def played(num_envs: int) -> tuple[list[Episode], Tensor, Tensor]:
        """All episodes, and the first environment's actions and memories."""
        agent = Agent(policy, num_envs, deterministic=True)
        actions, memories = [], []

        def act(observation: Tensor, begun: Tensor) -> Tensor:
            action = agent(observation, begun)
            actions.append(action[0])
            memories.append(agent.memory[0])
            return action

        env = config.make(num_envs, seed=0, training=False)
        episodes = list(play(act, env, 10))
        env.close()
        return episodes, torch.stack(actions), torch.stack(memories)

    episodes, actions, memories = played(1)
    all_episodes, all_actions, all_memories = played(4)
    steps = sum(episode.length for episode in episodes)
    assert episodes == [episode for episode in all_episodes if episode.env == 0]
    assert torch.equal(all_actions[:steps], actions)
    torch.testing.assert_close(all_memories[:steps], memories)
    assert set(actions.tolist()) == {0, 1}
    assert len({episode.length for episode in all_episodes}) > 1, "the others end at other times"


def test_every_episode_begins_with_an_empty_memory() -> None:
    """Episodes that look the same leave the same memories, however long the one before was."""
    config = EnvConfig(toy("Lengths"))
    policy = ActorCritic(config.spec(), memory=functools.partial(LSTM, hidden_size=4))
    agent = Agent(policy, 2)
    memories: dict[int, list[Tensor]] = {}

    def act(observation: Tensor, begun: Tensor) -> Tensor:
        action = agent(observation, begun)
        for t, memory in zip(observation[:, 0].tolist(), agent.memory, strict=True):
            memories.setdefault(int(t), []).append(memory)
        return action

    env = config.make(2, seed=0, training=False)
    lengths = {episode.length for episode in play(act, env, 6)}
    env.close()
    assert lengths == {1, 20}
    for same in memories.values():
        torch.testing.assert_close(torch.stack(same), same[0].expand(len(same), -1))
    assert not torch.allclose(memories[0][0], memories[1][0])


@pytest.mark.parametrize(("episodes", "environments"), [(10, 10), (100, 20), (30, 15), (7, 7), (23, 1), (1, 1)])
def test_loader_plays_as_many_as_it_says(episodes: int, environments: int) -> None:
    """On the largest number of environments, at most 20, that divides them."""
    loader = EpisodeLoader(EnvConfig(toy("TimeLimit")), zeros, episodes, seed=0)
    played = list(loader)
    loader.close()
    assert len(played) == len(loader) == episodes
    assert {episode.env for episode in played} == set(range(environments))


def test_every_pass_starts_from_the_same_seed() -> None:
    """Two passes see the same starts, also after a pass cut short and after close; another seed sees others."""
    loader = EpisodeLoader(EnvConfig("CartPole-v1"), zeros, 8, seed=5)
    first = list(loader)
    next(iter(loader))
    assert list(loader) == first
    loader.close()
    loader.close()
    assert list(loader) == first
    loader.close()
    other = EpisodeLoader(EnvConfig("CartPole-v1"), zeros, 8, seed=500)
    assert list(other) != first
    other.close()


def test_atari_is_scored_raw() -> None:
    """Unclipped rewards of whole games: dots pay tens."""
    policy = torch.Generator().manual_seed(1)
    loader = EpisodeLoader(
        EnvConfig("ALE/MsPacman-v5", AtariOptions(max_frames=400)),
        lambda _: lambda x, _: torch.randint(0, 9, (len(x),), generator=policy),
        2,
        seed=0,
    )
    returns = [episode.ret for episode in loader]
    loader.close()
    assert all(ret >= 10 and ret % 10 == 0 for ret in returns)


def test_summary_numbers_by_hand() -> None:
    """Returns 1, 2, 3, 6: mean 3, sample variance 14/3, median 2.5."""
    episodes = [Episode(0, ret, length) for ret, length in ((1, 10), (2, 20), (3, 10), (6, 40))]
    summary = summarize(episodes, spec(frame_skip=4))
    assert summary["env_id"] == "X-v0"
    assert summary["episodes"] == 4
    assert summary["mean"] == 3
    assert summary["sd"] == pytest.approx(math.sqrt(14 / 3))
    assert summary["median"] == 2.5
    assert summary["length"] == 20
    assert summary["steps"] == 80
    assert summary["frames"] == 320
    assert 1 <= summary["ci95"][0] < 3 < summary["ci95"][1] <= 6
    assert "human_normalized" not in summary


def test_the_interval_is_the_means() -> None:
    """For many episodes the bootstrap is the normal approximation, mean +- 1.96 sd / sqrt(n)."""
    returns = np.random.default_rng(0).normal(50, 10, 400)
    summary = summarize([Episode(0, float(ret), 1) for ret in returns], spec())
    half = 1.96 * summary["sd"] / 20
    assert summary["ci95"] == pytest.approx([summary["mean"] - half, summary["mean"] + half], abs=0.1 * half)


def test_one_episode_has_no_spread() -> None:
    """Numbers, and no warning of a division by zero."""
    summary = summarize([Episode(0, 7.0, 3)], spec())
    assert (summary["mean"], summary["sd"], summary["ci95"], summary["median"]) == (7, 0, [7, 7], 7)


@pytest.mark.parametrize(("ret", "normalized"), [(-20.7, 0), (14.6, 1), (21.0, 1.1813), (-21, -0.0085)])
def test_pong_is_human_normalized(ret: float, normalized: float) -> None:
    """Random play scores -20.7 and is 0, human play 14.6 and is 1."""
    summary = summarize([Episode(0, ret, 3)], spec("ALE/Pong-v5", 4))
    assert summary["human_normalized"] == pytest.approx(normalized, abs=1e-4)


def test_film_of_cartpole() -> None:
    """One picture a step, the episode's return with the last."""
    pytest.importorskip("pygame")
    film = Film(EnvConfig("CartPole-v1"), zeros, seed=0)
    pictures = list(film)
    assert {(picture.shape, str(picture.dtype)) for picture in pictures} == {((400, 600, 3), "uint8")}
    assert film.episode.length == film.episode.ret == len(pictures)
    assert film.fps == 50


PONG = EnvConfig("ALE/Pong-v5", AtariOptions(max_frames=240))


def test_film_of_pong() -> None:
    """Pictures in colour, one a step, that move; the episode known so far while they come."""
    film = Film(PONG, zeros, seed=0)
    pictures = []
    for i, picture in enumerate(film):
        assert picture.shape == (210, 160, 3)
        assert picture.dtype == np.uint8
        assert film.episode.length == i
        pictures.append(picture.copy())
    assert film.episode.length == len(pictures) > 40
    assert film.episode.ret <= 0
    assert film.fps == 15
    assert len({picture.tobytes() for picture in pictures}) > 20
    assert (pictures[0][..., 0] != pictures[0][..., 2]).any(), "in colour"


def test_a_film_follows_from_its_seed() -> None:
    """Filmed twice, the episode is the same; another seed films another."""
    films = [[picture.tobytes() for picture in Film(PONG, zeros, seed)] for seed in (3, 3, 4)]
    assert films[0] == films[1]
    assert films[0] != films[2]
