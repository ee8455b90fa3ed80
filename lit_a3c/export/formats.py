"""The formats of exported policies: how each is written, and how the file is run again."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.nn import Module

BATCH = "batch"
METADATA = "metadata.json"
"""The file inside a PT2 archive that has the metadata."""
Run = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""What an exported file does: inputs by name to outputs by name."""


def trace(module: Module, inputs: dict[str, Tensor]) -> ExportedProgram:
    """The program of a module that takes a dict of tensors ``[batch, ...]``, for a batch of any size.

    Raises:
        Exception: Whatever torch or the module raises.
    """
    batch = Dim(BATCH, min=1)
    with quiet(), torch.no_grad():
        return torch.export.export(module, (inputs,), dynamic_shapes=({name: {0: batch} for name in inputs},))


def to_onnx(program: ExportedProgram, inputs: list[str], outputs: list[str], metadata: dict[str, str]) -> bytes:
    """A program as an ONNX model.

    Args:
        program: From :func:`trace`.
        inputs: Names of the inputs, in their order.
        outputs: Names of the outputs, in their order.
        metadata: What the file shall say of itself.

    Raises:
        Exception: Whatever the exporter raises for what it does not know.
    """
    with quiet():
        program = program.run_decompositions({torch.ops.aten.logsumexp.default: _logsumexp})
        exported = torch.onnx.export(
            program, dynamo=True, verbose=False, optimize=True, input_names=inputs, output_names=outputs
        )
    assert exported is not None
    model = exported.model_proto
    model.producer_name, model.producer_version = "lit-a3c", metadata["lit_a3c_version"]
    _name_batch(model.graph)
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph, model):
        del part.metadata_props[:]  # as in to_pt2
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def to_pt2(program: ExportedProgram, metadata: dict[str, str]) -> bytes:
    """A program as the archive of ``torch.export.save``."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where in the source it comes from, with the paths of this machine
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata)})
    return buffer.getvalue()


def run_onnx(data: bytes) -> Run:
    """The ONNX model in a file, run by onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        results: Any = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
        return {name: torch.from_numpy(np.asarray(result)) for name, result in zip(names, results, strict=True)}

    return run


def run_pt2(data: bytes) -> Run:
    """The program in a PT2 file, run by torch."""
    with quiet():
        module = torch.export.load(io.BytesIO(data)).module()

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.no_grad():
            return dict(module(inputs))

    return run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporters say of their own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # where torch.export prints graphs
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _logsumexp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` without overflow.

    onnxruntime's own takes a row that begins with minus infinity, the logit of a forbidden action, as it is. Then it
    has infinity or NaN where the other logits are large.
    """
    largest = x.amax(dim, keepdim=True)
    result = (x - largest).exp().sum(dim, keepdim=True).log() + largest
    return result if keepdim else result.squeeze(dim)


def _name_batch(graph: Any) -> None:
    """Let the first dimension of all inputs and outputs be ``batch``: torch gives it a name of its own."""
    own = {port.type.tensor_type.shape.dim[0].dim_param for port in graph.input}
    for port in (*graph.input, *graph.output, *graph.value_info):
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param in own:
                dim.dim_param = BATCH
