"""The CPU or a GPU: the option that models trained by torch share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from models.base import Config

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]


class DeviceConfig(Config):
    """Hyperparameters of a model that can train on a GPU."""

    device: Device = Field(
        default="auto",
        description="Where to train: `auto` takes a GPU if there is one, else the CPU. All other fields mean the same "
        "on both.",
    )

    def check_machine(self) -> None:
        """Refuse a GPU that is not there. Imports torch only if one is asked for."""
        if self.device == "cuda":
            torch_device(self.device)


def torch_device(device: Device) -> torch.device:
    """The device to train on: `auto` is the first GPU, or the CPU without one.

    Raises:
        ValueError: a GPU is asked for and there is none.
    """
    import torch  # noqa: PLC0415  (takes a second: only who fits pays it)

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no GPU: say 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
