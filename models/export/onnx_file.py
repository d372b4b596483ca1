"""Torch modules as ONNX files, at any batch size and length. Imports torch, and onnx when it writes."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

MOST_BYTES = 2**31 - 1
"""Size that a file in the format of ONNX, a protocol buffer, cannot exceed."""
_EXAMPLE = 2, 3  # sizes of the traced inputs: an axis of size 1 would be fixed at 1


@dataclass(frozen=True)
class Axes:
    """The shape and type of an input: names stand for sizes that each call may choose.

    Attributes:
        shape: such as ("batch", "length") or ("batch", 64).
        dtype: of torch.
    """

    shape: tuple[str | int, ...]
    dtype: torch.dtype

    @property
    def example(self) -> torch.Tensor:
        """A tensor of ones of this type."""
        sizes = (
            size if isinstance(size, int) else _EXAMPLE[min(axis, 1)] for axis, size in enumerate(self.shape)
        )
        return torch.ones(*sizes, dtype=self.dtype)


def write_onnx(network: nn.Module, inputs: Mapping[str, Axes], output: str, path: Path) -> None:
    """Write the graph of a module and all its parameters into one file.

    Args:
        network: takes the inputs in their order, and returns one tensor.
        inputs: by name.
        output: name of what it returns.
        path: of the file.

    Raises:
        ValueError: the file would exceed 2 GB.
    """
    size = sum(part.numel() * part.element_size() for part in (*network.parameters(), *network.buffers()))
    if size > MOST_BYTES:
        raise ValueError(
            f"{path.name} would have {size / 1e9:.1f} GB, and a file of ONNX can have 2.1 GB at most"
        )
    batch = Dim("batch")
    shapes = tuple(
        {
            axis: batch if size == "batch" else Dim(f"{name}_{size}")
            for axis, size in enumerate(each.shape)
            if isinstance(size, str)
        }
        for name, each in inputs.items()
    )
    with _quietly(), torch.no_grad():
        program: Any = torch.onnx.export(
            with_onnx_layers(network).eval(),
            tuple(each.example for each in inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        program.save(path, external_data=False)


class OnnxGRU(nn.Module):
    """A trained layer `nn.GRU` as one operator of ONNX; torch 2.13 would unroll it into its steps. Only exports run it.

    ONNX stacks the gates as update, reset, hidden; torch as reset, update, hidden.

    Args:
        layer: of one direction and one layer, batch first, whose state begins at 0.
    """

    weights: torch.Tensor
    recurrent: torch.Tensor
    bias: torch.Tensor

    def __init__(self, layer: nn.GRU) -> None:
        super().__init__()
        self.size = layer.hidden_size
        of_inputs, of_states, *biases = (
            torch.cat([part.detach().split(self.size)[gate] for gate in (1, 0, 2)])[None]
            for part in layer.parameters()
        )
        self.register_buffer("weights", of_inputs)
        self.register_buffer("recurrent", of_states)
        self.register_buffer("bias", torch.cat(biases, dim=1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the states of all steps, (b, w, h), from (b, w, f)."""
        b, w, _ = x.shape
        states: torch.Tensor = torch.onnx.ops.symbolic(
            "GRU", (x.transpose(0, 1), self.weights, self.recurrent, self.bias),
            attrs={"hidden_size": self.size, "linear_before_reset": 1}, dtype=x.dtype, shape=(w, 1, b, self.size),
        )  # fmt: skip
        return states[:, 0].transpose(0, 1), None


def with_onnx_layers(network: nn.Module) -> nn.Module:
    """Return a copy of the network in which `OnnxGRU` stands for each `nn.GRU`."""
    found = copy.deepcopy(network)
    for parent in list(found.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.GRU):
                setattr(parent, name, OnnxGRU(layer))
    return found


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks from the terminal: of libraries that are absent, of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
