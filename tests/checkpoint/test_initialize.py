"""Weights of another training: whole layers, and a line for each that stays new."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, EnvSpaces, MLPBody
from lit_a3c.checkpoint.initialize import take_weights
from lit_a3c.utils.errors import ConfigError
from tests.trainers import quiet


def agent(observations: int = 3, actions: int = 2, hidden: int = 8, seed: int = 0, **options: Any) -> A3C:
    torch.manual_seed(seed)
    spaces = EnvSpaces(f"Env{actions}-v0", Box(-1, 1, (observations,)), Discrete(actions))
    return A3C(spaces, body=functools.partial(MLPBody, hidden=[hidden, hidden]), **options)


def test_all_is_taken_where_all_fits() -> None:
    """Running statistics, too."""
    old, new = agent(seed=1, normalize_returns=True), agent(seed=2, normalize_returns=True)
    old.policy.observe(torch.randn(4, 5, 3))
    assert old.return_scale is not None
    old.return_scale.update(torch.tensor([1.0, 5.0]))
    assert take_weights(new, old.state_dict()) == []
    for name, tensor in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], tensor)


def test_layers_of_other_shapes_stay_new() -> None:
    """Whole: neither the count of another normaliser nor half of a layer is taken."""
    old, new = agent(observations=4, actions=2, seed=1), agent(observations=3, actions=5, seed=2)
    old.policy.observe(torch.randn(4, 5, 4))
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    lines = take_weights(new, old.state_dict())
    body, head = "policy.encoder.body", "policy.head.logits"
    assert lines == [
        f"{body}.norm is new: its mean is (4,) in the checkpoint and (3,) here.",
        f"{body}.layers.0 is new: its weight is (8, 4) in the checkpoint and (8, 3) here.",
        f"{head} is new: its weight is (2, 8) in the checkpoint and (5, 8) here.",
    ]
    for name, tensor in new.state_dict().items():
        if name.startswith((f"{body}.layers.2", "policy.value")):
            assert torch.equal(tensor, old.state_dict()[name])
        else:
            assert torch.equal(tensor, before[name])


def test_layers_of_one_side_alone_are_named() -> None:
    old, new = agent(normalize_returns=True), agent(share_body=False)
    lines = take_weights(new, old.state_dict())
    assert "return_scale.norm of the checkpoint is not used: this agent has none." in lines
    assert "policy.value_encoder.body.norm is new: the checkpoint has none." in lines


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(ConfigError, match="have no layer in common"):
        take_weights(agent(observations=4, actions=3, hidden=9), agent().state_dict())


def test_an_agent_begins_from_a_file(tmp_path: Path) -> None:
    """With counters of its own."""
    old, new = agent(seed=1), agent(actions=3, seed=2)
    old.ledger.learned.total = 70
    trainer = quiet()
    trainer.strategy.connect(old)
    trainer.save_checkpoint(tmp_path / "old.ckpt", weights_only=True)
    (line,) = new.init_from(tmp_path / "old.ckpt")
    assert line.startswith("policy.head.logits is new")
    assert torch.equal(new.policy.value.weight, old.policy.value.weight)
    assert new.steps == 0
