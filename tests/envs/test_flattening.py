"""Composite actions and observations as flat vectors."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Space,
    Text,
    Tuple,
)
from gymnasium.spaces.utils import flatdim, flatten
from gymnasium.spaces.utils import unflatten as gymnasium_unflatten

from lit_a3c.envs import EnvConfig, EnvSpaces, components, leaves
from lit_a3c.envs.flattening import FlatAction, flat_size, unflatten, unsupported
from lit_a3c.envs.masks import flat
from lit_a3c.networks.heads import default_head
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy
from tests.dummy_envs.base import DummyEnv, Identity
from tests.dummy_envs.composite import Car, Senses

UNEQUAL = Box(np.array([-1, 0], np.float32), np.array([1, 2], np.float32))
GRID = MultiDiscrete(np.array([[2, 3, 4], [5, 6, 7]]), start=np.array([[0, 1, -2], [3, 0, 0]]))
NESTED = Tuple([Dict({"b": MultiBinary([2, 2]), "a": Tuple([UNEQUAL, Discrete(3, start=-1)])}), MultiDiscrete([2, 3])])
SIZES: list[tuple[Space[Any], int]] = [
    (Discrete(4), 1),
    (Discrete(4, start=2), 1),
    (MultiDiscrete([3, 4]), 2),
    (MultiDiscrete([3, 4], start=[1, -5]), 2),
    (GRID, 6),
    (MultiBinary(3), 3),
    (MultiBinary([2, 3]), 6),
    (UNEQUAL, 2),
    (Box(-3, 3, (2, 2), np.float64), 4),
    (Box(-1, 1, (), np.float32), 1),
    (Tuple([Discrete(2), UNEQUAL]), 3),
    (Dict({"steer": Box(-1, 1, (1,), np.float32), "gear": Discrete(3, start=1)}), 2),
    (Dict(OrderedDict(b=UNEQUAL, a=Discrete(2))), 3),
    (NESTED, 9),
]
"""Every kind of action space with the length of its vector."""


def flattened(space: Space[Any], action: Any) -> np.ndarray:
    """The vector of an action by its definition: all parts side by side, whole numbers counted from 0."""
    if isinstance(space, Tuple):
        return np.concatenate([flattened(part, value) for part, value in zip(space.spaces, action, strict=True)])
    if isinstance(space, Dict):
        return np.concatenate([flattened(part, action[key]) for key, part in space.items()])
    start = space.start if isinstance(space, Discrete | MultiDiscrete) else 0
    return (np.asarray(action) - start).astype(np.float32).flatten()


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (UNEQUAL, [UNEQUAL]),
        (MultiBinary(3), [MultiBinary(3)]),
        (MultiDiscrete([3, 4], start=[1, -5]), [Discrete(3, start=1), Discrete(4, start=-5)]),
        (MultiDiscrete(np.array([[2, 3], [4, 5]])), [Discrete(2), Discrete(3), Discrete(4), Discrete(5)]),
        (Tuple([UNEQUAL, Discrete(2)]), [UNEQUAL, Discrete(2)]),
        (Dict({"b": UNEQUAL, "a": Discrete(2)}), [Discrete(2), UNEQUAL]),
        (Dict(OrderedDict(b=UNEQUAL, a=Discrete(2))), [UNEQUAL, Discrete(2)]),
        (NESTED, [UNEQUAL, Discrete(3, start=-1), MultiBinary([2, 2]), Discrete(2), Discrete(3)]),
    ],
    ids=str,
)
def test_components_are_in_the_spaces_own_order(space: Space[Any], expected: list[Space[Any]]) -> None:
    """The order of a Dict's keys is Gymnasium's. Arrays go by rows, and nested parts are in their place."""
    assert components(space) == expected


@pytest.mark.parametrize(("space", "size"), SIZES, ids=str)
def test_a_vector_stands_for_its_action(space: Space[Any], size: int) -> None:
    """Every action of the space comes back from its vector, and is in the space."""
    space.seed(0)
    assert flat_size(space) == size
    for _ in range(20):
        numbers = flattened(space, space.sample())
        assert numbers.shape == (size,)
        action = unflatten(space, numbers)
        assert space.contains(action)
        np.testing.assert_array_equal(flattened(space, action), numbers)


def test_vectors_by_hand() -> None:
    """Whole numbers count from 0 in the vector and from start in the action. Parts are in order, arrays by rows."""
    assert unflatten(Discrete(4, start=2), vector(3)) == 5
    assert unflatten(MultiDiscrete([3, 4], start=[1, -5]), vector(0, 3)).tolist() == [1, -2]
    assert unflatten(GRID, vector(1, 2, 3, 4, 5, 6)).tolist() == [[1, 3, 1], [7, 5, 6]]
    assert unflatten(MultiBinary([2, 3]), vector(1, 0, 0, 0, 1, 1)).tolist() == [[1, 0, 0], [0, 1, 1]]
    action = unflatten(NESTED, vector(0.5, 1.5, 2, 0, 1, 1, 0, 1, 2))
    np.testing.assert_equal(action, ({"a": (vector(0.5, 1.5), 1), "b": np.array([[0, 1], [1, 0]])}, np.array([1, 2])))
    assert list(action[0]) == ["a", "b"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_box_parts_are_clipped_to_bounds_of_their_own(dtype: type[np.floating]) -> None:
    """Each component is clipped in the space's precision. What is inside passes."""
    box = Box(np.array([[-1, 0], [2, -np.inf]], dtype), np.array([[1, 2], [3, 5]], dtype), dtype=dtype)
    for space in (box, Tuple([box, Discrete(2)])):
        action = unflatten(space, vector(-9, 9, 2.5, -99, 1)[: flat_size(space)])
        clipped = action[0] if isinstance(space, Tuple) else action
        assert clipped.tolist() == [[-1, 2], [2.5, -99]]
        assert clipped.dtype == dtype
        assert space.contains(action)


def test_a_box_of_one_number_gives_an_array() -> None:
    """The space's own samples are arrays, too."""
    assert isinstance(unflatten(Box(-1, 1, (), np.float32), vector(0.5)), np.ndarray)


@pytest.mark.parametrize(
    "space",
    [
        MultiBinary(3),
        MultiDiscrete([3, 4], start=[1, -5]),
        GRID,
        Dict({"steer": Box(-1, 1, (1,), np.float32), "gear": Discrete(3, start=1)}),
        NESTED,
    ],
    ids=str,
)
def test_the_default_heads_draws_are_vectors_of_the_space(space: Space[Any]) -> None:
    """Order, sizes and counting are the same in the network and in the environment."""
    for draw in default_head(5, space)(torch.randn(20, 5)).sample():
        assert space.contains(unflatten(space, draw.numpy()))


def test_actions_and_rewards_pass_through_a_batch_of_real_environments() -> None:
    """The car's gear comes first, then its steering, clipped. The reward is 1 less the mean error of four numbers."""
    env = EnvConfig(dummy("Car")).make(3, seed=0, training=True)
    assert env.torchrl.action_spec.shape == (3, 2)
    assert env.torchrl.action_spec.dtype == torch.float32
    state = env.torchrl.reset()
    for _ in range(25):
        gear, steer = torch.randint(3, (3,)), 2 * torch.randn(3)
        shown = state["observation"].float()
        error = torch.nn.functional.one_hot(gear, 3) - shown[:, :3]
        off = steer.clamp(-1, 1) - shown[:, 3]
        state["action"] = torch.stack([gear.float(), steer], dim=1)
        step, state = env.torchrl.step_and_maybe_reset(state)
        expected = 1 - (error.abs().sum(1) + off.abs()) / 4
        torch.testing.assert_close(step["next", "reward"].squeeze(1), expected)
    assert [episode.length for episode in env.pop_finished()] == [10] * 6
    env.close()


@pytest.mark.parametrize("name", ["Grid", "Buttons", "Car", "Robot"])
def test_the_action_shown_earns_the_full_reward(name: str) -> None:
    """Every environment of the batch shows an action of its own."""
    config = EnvConfig(dummy(name))
    space = config.spaces().action_space
    env = config.make(3, seed=0, training=True)
    state = env.torchrl.reset()
    for _ in range(12):
        shown = [gymnasium_unflatten(space, row.numpy()) for row in state["observation"]]
        state["action"] = torch.from_numpy(np.stack([flattened(space, action) for action in shown]))
        step, state = env.torchrl.step_and_maybe_reset(state)
        assert step["next", "reward"].flatten().tolist() == pytest.approx([1] * 3)
    env.close()


def test_flat_action_takes_vectors() -> None:
    """Its action space is the plane. The environment below it gets actions of its own space."""
    env = FlatAction(Car())
    assert env.action_space == Box(-np.inf, np.inf, (2,), np.float32)
    assert env.action(vector(2, -7)) == {"gear": 3, "steer": np.array([-1])}
    env.reset(seed=0)
    env.step(vector(2, -7))


def test_observations_of_a_dict_are_one_vector() -> None:
    """The image's bytes are numbers in it, and the hint follows. The plain action space stays."""
    env = flat(Senses())
    assert env.observation_space.shape == (401,)
    assert env.observation_space.dtype == np.float32
    assert env.action_space == Discrete(2)
    seen = {tuple(np.unique(env.reset(seed=seed)[0][:400])) for seed in range(10)}
    hints = {float(env.reset(seed=seed)[0][400]) for seed in range(10)}
    assert seen == {(0,), (255,)}
    assert hints == {-1, 1}


OBSERVED: list[Space[Any]] = [space for space, _ in SIZES if not isinstance(space, Box)]


class Shows(DummyEnv):
    """Shows samples of a space, and keeps them."""

    def __init__(self, space: Space[Any]) -> None:
        super().__init__()
        self.observation_space = space
        self.shown: list[Any] = []

    def observe(self) -> Any:
        self.shown.append(self.observation_space.sample())
        return self.shown[-1]


@pytest.mark.parametrize("space", OBSERVED, ids=str)
def test_an_observation_that_is_no_box_is_a_vector(space: Space[Any]) -> None:
    """Gymnasium's own: what was shown comes back from it. It has single precision and the sizes of the leaves."""
    space.seed(0)
    env = flat(Shows(space))
    for _ in range(5):
        vector = env.reset()[0]
        assert vector.dtype == np.float32
        assert vector.shape == env.observation_space.shape == (sum(flatdim(leaf) for leaf in leaves(space)),)
        back = gymnasium_unflatten(space, vector)
        np.testing.assert_equal(flatten(space, back), flatten(space, env.unwrapped.shown[-1]))  # type: ignore[attr-defined]
        assert EnvSpaces("", space, Discrete(2)).observation_shape == vector.shape


def test_leaves_are_in_the_order_of_the_vector() -> None:
    """That of Gymnasium, keys sorted unless their order is given."""
    parts = [UNEQUAL, Discrete(3, start=-1), MultiBinary([2, 2]), MultiDiscrete([2, 3])]
    assert leaves(NESTED) == parts
    assert leaves(UNEQUAL) == [UNEQUAL]
    value = ({"a": (vector(0.5, 1.5), 1), "b": np.ones((2, 2), np.int8)}, np.array([1, 2]))
    expected = [0.5, 1.5, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1]
    assert np.asarray(flatten(NESTED, value)).tolist() == expected


@pytest.mark.parametrize("env", [Identity(), gymnasium.make("Pendulum-v1")])
def test_plain_environments_are_left_alone(env: gymnasium.Env) -> None:
    """Box and Discrete need no vector."""
    assert flat(env) is env


PIXELS = Box(0, 255, (1, 20, 20), np.uint8)


@pytest.mark.parametrize("action", [space for space, _ in SIZES], ids=str)
@pytest.mark.parametrize("observation", [UNEQUAL, PIXELS, Dict({"eye": PIXELS, "hint": UNEQUAL}), NESTED], ids=str)
def test_supported_spaces(observation: Space[Any], action: Space[Any]) -> None:
    """All of these pass."""
    assert unsupported(observation, action) is None


@pytest.mark.parametrize(
    ("observation", "action", "words"),
    [
        (Text(5), UNEQUAL, "observations Text(1, 5"),
        (Sequence(UNEQUAL), UNEQUAL, "Sequence has no fixed number of values. Wrap the environment so that it gives"),
        (Dict({"a": Tuple([UNEQUAL, Graph(UNEQUAL, None)])}), UNEQUAL, "Graph has no fixed number of values"),
        (
            Dict({"a": UNEQUAL, "word": Text(5)}),
            UNEQUAL,
            "observations with 'word'; Text has no fixed number of values",
        ),
        (
            Dict({"a": UNEQUAL, "b": Discrete(2), "word": Text(5)}),
            UNEQUAL,
            "--data.wrappers+ '{class_path: FilterObservation, init_args: {filter_keys: [a, b]}}'",
        ),
        (OneOf([UNEQUAL, UNEQUAL]), UNEQUAL, "OneOf has no fixed number of values"),
        (Discrete(2**40), UNEQUAL, "a one-hot vector of 1,099,511,627,776 values is too long"),
        (Dict({}), UNEQUAL, "observations Dict(), which are empty"),
        (Tuple([Discrete(2), Box(-1, 1, (0,))]), UNEQUAL, "which are empty"),
        (UNEQUAL, Text(5), "only Discrete, MultiDiscrete, MultiBinary, Box, and Tuple or Dict of them, are"),
        (UNEQUAL, Tuple([Discrete(2), Dict({"a": Text(5)})]), "actions Tuple(Discrete(2), Dict('a': Text"),
        (UNEQUAL, PIXELS, "only floating Box actions are supported"),
        (UNEQUAL, Tuple([Discrete(2), Box(0, 3, (1,), np.int64)]), "only floating Box actions are supported"),
    ],
    ids=str,
)
def test_unsupported_spaces_in_words(observation: Space[Any], action: Space[Any], words: str) -> None:
    """The problem has the space in it, and what is supported."""
    problem = unsupported(observation, action)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize(("name", "words"), [("Words", "has observations Text"), ("Speech", "has actions Tuple")])
def test_an_environment_with_unsupported_spaces_is_refused(name: str, words: str) -> None:
    """The message has its id and its space."""
    with pytest.raises(ConfigError, match=f"'tests.dummy_envs:Dummy{name}-v0' {words}"):
        EnvConfig(dummy(name)).spaces()
