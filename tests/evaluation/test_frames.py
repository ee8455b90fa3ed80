"""What comes with the images of an episode."""

from __future__ import annotations

import functools
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import TransformReward

from lit_a3c import A3C, LSTM, AtariOptions, EnvConfig, EpisodeBatch
from lit_a3c.evaluation.frames import ExplainedAgent, Frame
from lit_a3c.evaluation.play import EvaluationEnvs, play
from tests.dummy_envs import LIMIT, dummy
from tests.dummy_envs.base import DummyEnv


def played(config: EnvConfig, agent: Any, *, explain: bool = True, num_envs: int = 1) -> list[Frame]:
    """The frames of one episode."""
    frames: list[Frame] = []
    with closing(EvaluationEnvs(config, num_envs, render=True)) as envs:
        batch = EpisodeBatch(envs, 0, 1)
        batch.on_frame, batch.explain = frames.append, explain
        play(agent, batch)
    return frames


def module_of(config: EnvConfig, **options: Any) -> A3C:
    """A module whose outputs differ from state to state."""
    torch.manual_seed(0)
    module = A3C(config.spaces(), **options)
    for parameter in module.policy.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


@pytest.mark.parametrize(
    ("render_fps", "stride", "fps"), [(20, 1, 20), (60, 1, 60), (61, 2, 30.5), (100, 2, 50), (144, 3, 48)]
)
def test_a_video_has_at_most_60_images_a_second(
    render_fps: int, stride: int, fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are left out, and are not drawn at all. The environment's own time stays."""
    drawn: list[int] = []

    def render(self: DummyEnv) -> np.ndarray:
        drawn.append(self.t)
        return np.full((8, 8, 3), self.t, np.uint8)

    monkeypatch.setattr(DummyEnv, "render", render)
    monkeypatch.setitem(DummyEnv.metadata, "render_fps", render_fps)
    frames = played(EnvConfig(dummy("TimeLimit")), lambda x, _: torch.zeros(1, dtype=torch.int64), explain=False)
    steps = list(range(0, LIMIT, stride))
    assert drawn == steps == [frame.step for frame in frames] == [int(frame.image[0, 0, 0]) for frame in frames]
    assert {frame.fps for frame in frames} == {fps}
    assert frames[-1].episode_return == steps[-1] + 1, "rewards of the steps without an image count"


def test_images_are_kept_when_the_environment_draws_over_them(monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = np.zeros((8, 8, 3), np.uint8)

    def render(self: DummyEnv) -> np.ndarray:
        canvas[:] = self.t
        return canvas

    monkeypatch.setattr(DummyEnv, "render", render)
    frames = played(EnvConfig(dummy("TimeLimit")), lambda x, _: torch.zeros(1, dtype=torch.int64))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(LIMIT + 1))


def test_a_frame_has_the_reward_of_its_step_and_the_return_with_it() -> None:
    """Raw rewards, also where a wrapper changes them. The last frame is of the state in which the episode ended."""
    doubled = functools.partial(TransformReward, func=lambda reward: 100 * reward)
    config = EnvConfig(dummy("Identity"), wrappers=(doubled,))
    right = [0, 1, 2, 5, 8]
    count = iter(range(10))

    def act(observation: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return (observation.argmax(-1) + (next(count) not in right)) % 4

    *frames, last = played(config, act)
    assert [frame.reward for frame in frames] == [float(i in right) for i in range(10)]
    assert [frame.episode_return for frame in frames] == np.cumsum([i in right for i in range(10)]).tolist()
    assert [frame.step for frame in frames] == list(range(10))
    assert not any(frame.ended for frame in frames)
    assert (last.ended, last.step, last.reward, last.episode_return) == (True, 10, 0.0, 5.0)
    assert (last.image == 20 * 10).all()


def test_frames_are_of_the_first_environment() -> None:
    """Episodes that end in others count nowhere."""
    config = EnvConfig(dummy("Lengths"))
    frames = played(config, lambda x, _: torch.zeros(len(x), dtype=torch.int64), num_envs=6)
    ends = [i for i, frame in enumerate(frames) if frame.ended]
    first = frames[: ends[0] + 1]
    assert [frame.step for frame in first] == list(range(len(first)))
    assert first[-1].episode_return == len(first) - 1


@pytest.mark.parametrize("recurrent", [None, functools.partial(LSTM, hidden_size=4)])
@pytest.mark.parametrize("share_body", [True, False])
def test_a_decision_is_that_of_the_policy(recurrent: Any, share_body: bool) -> None:
    """Value and distribution are those of the learner's pass over the whole episode, recurrent states included."""
    config = EnvConfig("CartPole-v1")
    module = module_of(config, recurrent=recurrent, share_body=share_body)
    agent = module.agent(1, explain=True)
    seen: list[torch.Tensor] = []

    class Watched(ExplainedAgent):
        def distribution(self, observation: torch.Tensor, *args: Any) -> Any:
            seen.append(observation)
            return super().distribution(observation, *args)

    agent.__class__ = Watched
    *frames, last = played(config, agent)
    assert last.decision is None
    decisions = [frame.decision for frame in frames]
    with torch.no_grad():
        output = module.policy(torch.stack(seen))
    actions = torch.stack([decision.action for decision in decisions])
    assert torch.allclose(torch.stack([decision.value for decision in decisions]), output.value, atol=1e-4)
    assert torch.allclose(torch.stack([d.entropy for d in decisions]), output.distribution.entropy(), atol=1e-4)
    assert torch.allclose(
        torch.stack([d.distribution.log_prob(d.action) for d in decisions]),
        output.distribution.log_prob(actions),
        atol=1e-4,
    )


def test_values_are_returns() -> None:
    """Where the value head predicts scaled ones, they are scaled back."""
    config = EnvConfig(dummy("TimeLimit"))
    module = module_of(config, normalize_returns=True)
    module.return_scale.update(torch.tensor([-300.0, 300.0]))
    (first, *_) = played(config, module.agent(1, explain=True))
    with torch.no_grad():
        scaled = module.policy.values(torch.zeros(1, 1))
    assert float(first.decision.value) == pytest.approx(300 * float(scaled), rel=1e-4)
    assert abs(float(scaled)) > 1e-3


@pytest.mark.parametrize("head", ["SquashedGaussianHead", "MixtureHead", "BetaHead", "GaussianHead"])
def test_explaining_changes_no_draw(head: str) -> None:
    """Neither those of the agent nor those of the training around it. Some entropies are estimated by draws."""
    import lit_a3c

    config = EnvConfig(dummy("BoxIdentity"))
    module = module_of(config, head=getattr(lit_a3c, head))
    torch.manual_seed(7)
    plain = played(config, module.agent(1), explain=False)
    torch.manual_seed(7)
    explained = played(config, module.agent(1, explain=True))
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))
    assert [frame.reward for frame in plain] == [frame.reward for frame in explained[:-1]]


def test_frames_of_atari_end_with_the_last_image() -> None:
    """ALE restarts a game within the step that ends it."""
    config = EnvConfig("ALE/Pong-v5", AtariOptions(max_frames=240))
    frames = played(config, module_of(config).agent(1, explain=True))
    assert frames[0].action_names == ("noop", "fire", "right", "left", "rightfire", "leftfire")
    assert frames[-1].ended
    assert not np.array_equal(frames[-1].image, frames[0].image)
    assert frames[-1].image.shape == (210, 160, 3)
