"""Agents as safetensors files: what is written is read again, and what a stranger writes is looked at."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from lit_a3c import A3C, GRU, ConfigError, CorruptCheckpointError
from lit_a3c.checkpoint.agent_file import HALF_MAX, describe, pack
from lit_a3c.checkpoint.agent_header import MAX_HEADER, TEXTS, read_header
from lit_a3c.checkpoint.io import deserialize, load_verified
from lit_a3c.cli.configs import SECTIONS
from tests.checkpoint.agent_files import SCORE, checkpoint_of, forged, header_of, packed, with_header
from tests.modules import OBS, SPACES, make_module


@pytest.mark.parametrize(
    "options", [{}, {"normalize_returns": True, "recurrent": functools.partial(GRU, hidden_size=3)}]
)
def test_an_agent_is_read_as_it_was(tmp_path: Path, options: dict[str, Any]) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(packed(**options))
    module, again = make_module(**options), A3C.load_from_checkpoint(file)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in module.state_dict().items())
    assert again.state_dict().keys() == module.state_dict().keys()
    assert (again.spaces, again.steps, again.hparams["gamma"]) == (SPACES, 1000, module.hparams["gamma"])
    assert module.init_from(file) == []


def test_the_length_of_the_header_may_look_like_another_format() -> None:
    """It stands in the first bytes. Of the lengths here one begins like a pickle, 0x80."""
    checkpoint = checkpoint_of(make_module())
    files = [pack(checkpoint, describe(checkpoint, sections=SECTIONS, command="x" * n)) for n in range(0, 256, 8)]
    assert any(file.startswith(b"\x80") for file in files)
    assert all(deserialize(file)["steps"] == 1000 for file in files)


def test_half_precision_is_for_weights_alone() -> None:
    """A count of a million observations has no place in it, nor has the variance of a position."""
    module = make_module(normalize_returns=True)
    small, whole = packed(half=True, normalize_returns=True), packed(normalize_returns=True)
    assert len(small) < len(whole)
    stored = safetensors.torch.load(small)
    parameters = dict(module.named_parameters())
    assert {name for name, tensor in stored.items() if tensor.dtype == torch.float16} == set(parameters)
    loaded = deserialize(small)["state_dict"]
    for name, tensor in module.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3 if name in parameters else 0, atol=1e-6)


def test_a_weight_that_is_too_large_for_half_precision_is_refused() -> None:
    checkpoint = checkpoint_of(make_module())
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name][0] = 2 * HALF_MAX
    with pytest.raises(ConfigError, match="too large for half precision"):
        pack(checkpoint, describe(checkpoint, sections=SECTIONS), half=[name])


def test_the_header_says_what_is_known_and_no_place_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(packed())
    about = read_header(file)
    assert set(about) == set(TEXTS)
    assert (about["score"], about["seed"], about["frames"]) == (SCORE, 3, 1000)
    assert [score["seed"] for score in about["seeds"]] == [3, 4]
    assert b"/home" not in file.read_bytes()
    assert b"/x" not in file.read_bytes()
    assert "RunLogger" not in about["config"]


def test_every_damage_is_noticed() -> None:
    data, rng = packed(), random.Random(0)
    for _ in range(200):
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with pytest.raises(CorruptCheckpointError):
            deserialize(bytes(flipped))
    for length in [1, 7, 8, 9, *(rng.randrange(len(data)) for _ in range(50)), len(data) - 1]:
        with pytest.raises(CorruptCheckpointError):
            deserialize(data[:length])


TENSORS = {"weight": torch.zeros(3)}
BAD = {
    "of another program": (safetensors.torch.save(TENSORS), "a safetensors file of another program"),
    "of a later version": (forged(packed(), format_version=2), "its format is of version 2, and version 1 is read"),
    "without a text": (
        with_header(packed(), header_of(packed()).replace('"spaces":', '"places":')),
        "its header has no 'spaces'",
    ),
    "header of gigabytes": (
        (2**40).to_bytes(8, "little") + packed()[8:],
        f"its header claims 1,099,511,627,776 bytes, and at most {MAX_HEADER:,} are read",
    ),
    "header that is nested": (with_header(packed(), '{"a":' + "[" * 10**5), "its header cannot be read"),
    "key twice": (with_header(packed(), '{"a": 1, "a": 2}'), "its header cannot be read: a key stands in it twice"),
    "no score": (forged(packed(), score={"mean": "high"}), "its score is none"),
    "integers of 16 bits": (
        forged(packed(), {"x": torch.zeros(1, dtype=torch.int16)}),
        "is of a type that no agent has",
    ),
    "complex numbers": (forged(packed(), {"x": torch.zeros(1, dtype=torch.complex64)}), "its "),
    "tensors that overlap": (
        with_header(packed(), header_of(packed()).replace('"data_offsets": [0, ', '"data_offsets": [4, ')),
        "its checksum is wrong",
    ),
}


@pytest.mark.parametrize(("data", "says"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_the_reason(data: bytes, says: str) -> None:
    with pytest.raises(CorruptCheckpointError, match=f"^{says}|{says}") as caught:
        deserialize(data)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"steps": -1}, "'steps' is not a count"),
        ({"spaces": {"env_id": "x"}}, "spaces cannot be read"),
        ({"hyper_parameters": []}, "'hyper_parameters' is not a mapping"),
        ({"hyper_parameters": {"body": {"class_path": "os.system"}}}, "none of the classes that a checkpoint may name"),
    ],
)
def test_a_file_of_a_stranger_is_held_to_the_rules_of_checkpoints(tmp_path: Path, changes: Any, says: str) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(forged(packed(), **changes))
    with pytest.raises(ConfigError, match=says):
        A3C.load_from_checkpoint(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    file = tmp_path / "x.safetensors"
    name = "policy.value.bias"
    file.write_bytes(forged(packed(), {name: torch.tensor([value])}))
    with pytest.raises(ConfigError, match=f"{name} is not finite"):
        A3C.load_from_checkpoint(file)


def test_an_agent_is_found_by_its_contents(tmp_path: Path) -> None:
    """The name of the file does not count."""
    file = tmp_path / "x.ckpt"
    file.write_bytes(packed())
    assert load_verified(file)["weights_only"]
    assert A3C.load_from_checkpoint(file).predict([0.0] * OBS) in (0, 1)
