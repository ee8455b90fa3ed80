"""The content of an exported file, and which part of a policy it is that cannot be exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from lit_a3c.export.formats import Run, run_onnx, run_pt2, to_onnx, to_pt2, trace
from lit_a3c.export.parameters import parameters
from lit_a3c.export.policy import ExportedPolicy
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.one_line import one_line

Format = Literal["onnx", "pt2"]
FORMATS: tuple[Format, ...] = ("onnx", "pt2")
"""ONNX, and the archive of ``torch.export``. Each is also the suffix of its files."""
RUNS = {"onnx": run_onnx, "pt2": run_pt2}


def serialize(policy: ExportedPolicy, kind: Format, metadata: dict[str, str]) -> bytes:
    """The content of a file.

    Raises:
        ConfigError: A part of the policy cannot be exported; with the part and the reason.
    """
    try:
        return _convert(policy, policy.example(3), [port.name for port in policy.output_ports()], kind, metadata)
    except Exception as error:  # torch, the exporters and the user's own layers raise almost anything
        raise _refusal(policy, kind, error) from error


def load(data: bytes, kind: Format) -> Run:
    """What the content of a file does."""
    return RUNS[kind](data)


def _convert(
    module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], kind: Format, metadata: dict[str, str]
) -> bytes:
    program = trace(module, inputs)
    return to_pt2(program, metadata) if kind == "pt2" else to_onnx(program, list(inputs), outputs, metadata)


def _refusal(policy: ExportedPolicy, kind: Format, whole: Exception) -> ConfigError:
    """Who is to blame: the first part of the network that cannot be exported by itself."""
    for option, name, module, inputs in _parts(policy):
        try:
            _convert(module, inputs, list(module(inputs)), kind, {"lit_a3c_version": ""})
        except Exception as error:
            return ConfigError(f"{option} {name} cannot be exported as {kind}: {one_line(error)}.")
    return ConfigError(f"the policy cannot be exported as {kind}: {one_line(whole)}.")


def _parts(policy: ExportedPolicy) -> Iterator[tuple[str, str, nn.Module, dict[str, Tensor]]]:
    """The parts of a network that a user may have written: option, class, a module of the part alone, its inputs."""
    network = policy.network
    encoder = network.encoder
    seen = policy.example_of_body(3)
    yield "model.body", type(encoder.body).__name__, _Body(network), {"observation": seen}
    features = encoder.body(seen)
    if encoder.recurrent is not None:
        state = features.new_zeros(3, encoder.state_size)
        inputs = {"features": features.detach(), "state": state}
        yield "model.recurrent", type(encoder.recurrent).__name__, _Recurrent(network), inputs
        features = encoder.recurrent(features.unsqueeze(0), state).features.squeeze(0)
    yield "model.head", type(network.head).__name__, _Head(network), {"features": features.detach()}


class _Part(nn.Module):
    def __init__(self, network: ActorCritic) -> None:
        super().__init__()
        self.network = network


class _Body(_Part):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"features": self.network.encoder.body(inputs["observation"])}


class _Recurrent(_Part):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        assert self.network.encoder.recurrent is not None
        output = self.network.encoder.recurrent(inputs["features"].unsqueeze(0), inputs["state"])
        return {"features": output.features.squeeze(0), "next_state": output.recurrent_state.squeeze(0)}


class _Head(_Part):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        distribution = self.network.head(inputs["features"])
        return {"action": distribution.mode, **parameters(distribution)}
