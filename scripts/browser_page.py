"""One HTML file in which trained agents balance a pole and swing up a pendulum, in plain JavaScript.

    python scripts/browser_page.py --cartpole runs/CartPole-v1/version_0 --pendulum runs/Pendulum-v1/version_0

writes ``docs/play-in-browser.html`` from the parts in ``scripts/browser_page/``. The weights are in the file, so it
opens from disk and asks for nothing. An agent that is not given is taken from the page that is there. An agent is a
checkpoint, as ``lit-a3c test --ckpt_path`` takes it. Its body must be an ``MLPBody`` with tanh, its head a
``CategoricalHead`` or a ``GaussianHead``. A recurrent core is refused.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from lit_a3c import A3C, CategoricalHead, ConfigError, GaussianHead, MLPBody, evaluate
from lit_a3c.checkpoint.find import resolve_checkpoint
from lit_a3c.networks.encoder import Encoder

ROOT = Path(__file__).parents[1]
PARTS = ROOT / "scripts/browser_page"


def main(argv: list[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cartpole", help="checkpoint of an agent of CartPole-v1")
    parser.add_argument("--pendulum", help="checkpoint of an agent of Pendulum-v1")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/play-in-browser.html")
    arguments = parser.parse_args(argv)
    given = {"CartPole-v1": arguments.cartpole, "Pendulum-v1": arguments.pendulum}
    try:
        agents = agents_of(arguments.output) if None in given.values() else {}
        agents |= {env_id: describe(load(env_id, checkpoint)) for env_id, checkpoint in given.items() if checkpoint}
    except ConfigError as error:
        print(f"browser_page: {error}", file=sys.stderr)
        return 2
    arguments.output.write_text(render(agents))
    print(f"written to {arguments.output}, {arguments.output.stat().st_size / 1000:.0f} kB")
    return 0


def agents_of(page: Path) -> dict[str, Any]:
    """The agents that a page carries.

    Raises:
        ConfigError: There is no such page.
    """
    try:
        (found,) = re.findall(r'id="agents">(.*?)</script>', page.read_text(), re.DOTALL)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(page)!r} is no page to take an agent from. Give --cartpole and --pendulum.") from error
    agents: dict[str, Any] = json.loads(found)
    return agents


def load(env_id: str, checkpoint: str) -> A3C:
    """The agent of a checkpoint.

    Raises:
        ConfigError: There is none, or it is of another environment.
    """
    option = "--cartpole" if env_id == "CartPole-v1" else "--pendulum"
    agent = A3C.load_from_checkpoint(resolve_checkpoint(checkpoint, "best", option))
    if agent.spaces.env_id != env_id:
        raise ConfigError(f"{option} {checkpoint!r} is of {agent.spaces.env_id!r}, and must be of {env_id!r}.")
    return agent


def describe(agent: A3C) -> dict[str, Any]:
    """What the page needs of an agent, in plain types.

    Raises:
        ConfigError: The page cannot compute such a network.
    """
    return {**network(agent), "about": about(agent)}


def network(agent: A3C) -> dict[str, Any]:
    """The weights and running statistics, as text.

    Raises:
        ConfigError: The page cannot compute such a network.
    """
    policy, head = agent.policy, agent.policy.head
    if policy.recurrent_state_size:
        raise ConfigError(f"the agent of {agent.spaces.env_id!r} has a recurrent core, which the page cannot compute.")
    return {
        "encoder": _encoder(policy.encoder),
        "value_encoder": None if policy.value_encoder is None else _encoder(policy.value_encoder),
        "head": _linear(_output(head)),
        "std": float(head.log_std.detach().exp()) if isinstance(head, GaussianHead) else None,
        "value": _linear(policy.value),
        "value_scale": 1.0 if agent.return_scale is None else float(agent.return_scale.scale),
    }


def about(agent: A3C, episodes: int = 100) -> str:
    """A sentence with the score, which is measured here."""
    score = evaluate(agent, agent.spaces.env_id, episodes, deterministic=True)
    return (
        f"This agent of {agent.spaces.env_id} has learned from {agent.steps:,} steps. Over {episodes} episodes with "
        f"the most likely actions its mean return is {score.mean:.1f} (95% interval {score.interval[0]:.1f} to "
        f"{score.interval[1]:.1f}). It has {sum(p.numel() for p in agent.policy.parameters()):,} weights."
    )


def render(agents: dict[str, Any]) -> str:
    """The page, with these agents in it."""
    page = (PARTS / "page.html").read_text()
    for mark, part in {"STYLE": "style.css", "AGENT": "agent.js", "DRAW": "draw.js", "PAGE": "page.js"}.items():
        page = page.replace(f"/*{mark}*/", (PARTS / part).read_text().strip())
    return page.replace("/*AGENTS*/", json.dumps(agents, indent=1))


def _output(head: nn.Module) -> nn.Linear:
    """The layer of a head: logits or the mean.

    Raises:
        ConfigError: It is another head.
    """
    if isinstance(head, CategoricalHead):
        return head.logits
    if isinstance(head, GaussianHead) and not head._scaled:
        return head.mean
    raise ConfigError(f"the page computes a CategoricalHead or a GaussianHead in units of actions, not {head}.")


def _encoder(encoder: Encoder) -> dict[str, Any]:
    body = encoder.body
    layers = list(body.layers) if isinstance(body, MLPBody) else []
    tanh = all(isinstance(layer, nn.Linear | nn.Tanh) for layer in layers)
    if not isinstance(body, MLPBody) or body.norm is None or not tanh:
        raise ConfigError(f"the page computes a normalised MLPBody with tanh, and the agent has {body}.")
    return {
        "mean": _text(body.norm.mean),
        "variance": _text(body.norm.var),
        "layers": [_linear(layer) for layer in layers if isinstance(layer, nn.Linear)],
    }


def _linear(layer: nn.Linear) -> dict[str, str]:
    return {"weight": _text(layer.weight), "bias": _text(layer.bias)}


def _text(tensor: Tensor) -> str:
    """Single-precision numbers, little end first, row by row."""
    return base64.b64encode(tensor.detach().numpy().astype(np.dtype("<f4")).tobytes()).decode()


if __name__ == "__main__":
    sys.exit(main())
