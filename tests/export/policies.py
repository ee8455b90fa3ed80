"""Policies whose outputs depend on their inputs, and how exported ones play."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_a3c import (
    A3C,
    ActionHead,
    BernoulliHead,
    BetaHead,
    CategoricalHead,
    EnvConfig,
    GaussianHead,
    JointHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from lit_a3c.networks.heads.composite import Joint
from tests.commands import ROOT
from tests.dummy_envs.composite import BOX

BOX_HEADS = (
    GaussianHead,
    StateDependentGaussianHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    BetaHead,
    MixtureHead,
)
PLAY = f"""
import contextlib, io, json, runpy, sys
results = []
for file, seed, episodes in json.load(sys.stdin):
    sys.argv = ["play_onnx.py", file, "--seed", str(seed), "--episodes", str(episodes)]
    if seed is None:
        del sys.argv[2:4]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path({str(ROOT / "scripts" / "play_onnx.py")!r}, run_name="__main__")
    results.append(json.loads(out.getvalue())["returns"])
foreign = sorted({{"torch", "lit_a3c", "torchrl", "lightning"}} & set(sys.modules))
json.dump([results, foreign], sys.stdout)
"""


class EveryHead(JointHead):
    """Another head for every ``Box`` of a ``Tuple``, and the usual ones for the other parts."""

    def __init__(self, num_features: int, space: Any) -> None:
        ActionHead.__init__(self)
        heads: list[nn.Module] = [head(num_features, BOX) for head in BOX_HEADS]
        heads += [CategoricalHead(num_features, space[6]), BernoulliHead(num_features, space[7])]
        self.heads = nn.ModuleList([*heads, *JointHead(num_features, space[8]).heads])

    def forward(self, features: torch.Tensor) -> Joint:
        return Joint([head(features) for head in self.heads])


def random_agent(env: EnvConfig, **options: Any) -> A3C:
    """An agent with large random weights and running statistics that are not those of a new one."""
    torch.manual_seed(0)
    agent = A3C(env.spaces(), **options)
    for name, tensor in agent.state_dict().items():
        if tensor.ndim >= 2 and not name.endswith("norm.mean"):
            nn.init.orthogonal_(tensor, gain=2)
        elif name.endswith(("bias", "log_std")) or "rnn" in name:
            nn.init.normal_(tensor, std=0.3)
        elif name.endswith(("norm.mean", "norm.var")):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
    return agent.eval()


def played_without_torch(plays: Mapping[Path, tuple[int | None, int]]) -> list[list[float]]:
    """The returns of episodes that ``scripts/play_onnx.py`` plays in a process of its own, without torch.

    Args:
        plays: ONNX files, each with the seed of the first episode (None: that of the file) and their number.
    """
    asked = json.dumps([[str(file), *how] for file, how in plays.items()])
    done = subprocess.run([sys.executable, "-c", PLAY], input=asked, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    results, foreign = json.load(io.StringIO(done.stdout))
    assert foreign == []
    return results
