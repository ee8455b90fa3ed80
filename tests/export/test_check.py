"""A file that says something else than the policy is noticed, by the name of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c import A3C, LSTM, EnvConfig
from lit_a3c.export.check import largest_difference
from lit_a3c.export.formats import Run
from lit_a3c.export.policy import ExportedPolicy
from lit_a3c.utils.errors import RunError
from tests.dummy_envs import dummy
from tests.export.policies import random_agent

Outputs = dict[str, Tensor]


def changed(agent: A3C, change: Callable[[Outputs], Any]) -> Run:
    """What the agent says, with a mistake in it."""
    policy = ExportedPolicy(agent)

    def run(inputs: dict[str, Tensor]) -> Outputs:
        with torch.no_grad():
            outputs = policy(inputs)
        change(outputs)
        return outputs

    return run


def test_the_policy_itself_has_no_difference() -> None:
    for name in ("Everything", "Dials", "DoorsSeen"):
        agent = random_agent(EnvConfig(dummy(name)))
        assert largest_difference(agent, changed(agent, lambda outputs: None)) <= 1e-6


@pytest.mark.parametrize(
    ("env_id", "name", "mistake"),
    [
        ("Identity", "action", lambda action: (action + 1) % 4),
        ("Identity", "value", lambda value: value + 1e-4),
        ("Identity", "value", lambda value: value * 1.001),
        ("Identity", "value", lambda value: value * torch.nan),
        ("Identity", "logits", lambda logits: logits.unsqueeze(1)),
        ("BoxIdentity", "action", lambda action: action + 2e-5),
        ("BoxIdentity", "std", lambda std: std * 1.01),
        ("Car", "action.steer", lambda steer: steer + 2e-5),
        ("Car", "action.gear", lambda gear: (gear + 1) % 3 + 1),
        ("Grid", "action", lambda action: 1 - action.clamp(max=1)),
        ("Doors", "logits", lambda logits: logits.clamp(min=-1e9)),
    ],
)
def test_a_mistake_is_named(env_id: str, name: str, mistake: Callable[[Tensor], Tensor]) -> None:
    agent = random_agent(EnvConfig(dummy(env_id)))

    def change(outputs: Outputs) -> None:
        outputs[name] = mistake(outputs[name])

    with pytest.raises(RunError, match=f"its {name} differs by .*at most 1e-05"):
        largest_difference(agent, changed(agent, change))


def test_a_state_that_is_not_carried_is_noticed() -> None:
    agent = random_agent(EnvConfig(dummy("Junction")), recurrent=LSTM)

    def forget(outputs: Outputs) -> None:
        outputs["next_recurrent_state"] = torch.zeros_like(outputs["next_recurrent_state"])

    with pytest.raises(RunError, match="the exported policy is not the same"):
        largest_difference(agent, changed(agent, forget))


def test_rounding_decides_between_equally_likely_actions() -> None:
    """Two actions with the same logit: which of them is called the most likely one is no difference."""
    agent = random_agent(EnvConfig(dummy("Identity")))
    with torch.no_grad():
        agent.policy.head.logits.weight[1:] = agent.policy.head.logits.weight[0]
        agent.policy.head.logits.bias.fill_(0.0)

    def other(outputs: Outputs) -> None:
        outputs["action"] = outputs["action"] * 0 + 2

    assert largest_difference(agent, changed(agent, other)) <= 1e-6
