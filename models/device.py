"""The machine that models train on: GPU or CPU, and the number of threads of the libraries beneath them."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from models.base import Config

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]

_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD (ROCm), Windows' subsystem for Linux


class DeviceConfig(Config):
    """Hyperparameters of a model that can train on a GPU."""

    device: Device = Field(
        default="auto",
        description="Where to train: `auto` is a GPU if there is one, else the CPU. All other fields mean the same "
        "on both.",
    )

    def check_machine(self) -> None:
        """Raise a ValueError if the GPU that is asked for is missing. Imports torch only if one is asked for."""
        if self.device == "cuda":
            torch_device(self.device)

    def machine_state(self) -> dict[str, str | int]:
        """Return the GPU that the model would train on; empty for the CPU."""
        gpu = gpu_name() if self.device != "cpu" else None
        return {"device": f"cuda:{gpu}"} if gpu else {}


def torch_device(device: Device) -> torch.device:
    """Return the device to train on: for `auto` the first GPU, or the CPU if there is none.

    Raises:
        ValueError: `device` is `cuda` and there is no GPU.
    """
    import torch  # noqa: PLC0415  (takes a second; only a fit needs it)

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no GPU: say 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


@cache
def gpu_name() -> str | None:
    """Return the name of the GPU that `torch_device("auto")` takes, or None without a GPU.

    Imports torch, which takes a second, only where a GPU is possible: not on macOS, not if CUDA_VISIBLE_DEVICES hides
    all GPUs, and on Linux only if the device file of a driver exists.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1") or sys.platform == "darwin":
        return None
    if sys.platform == "linux" and not any(Path(file).exists() for file in _GPU_DRIVERS):
        return None
    import torch  # noqa: PLC0415  (as above)

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def torch_threads() -> int:
    """Return the number of threads that torch's CPU operations take in this process, without importing torch."""
    return _library_threads("MKL_NUM_THREADS", "OMP_NUM_THREADS")


def blas_threads() -> int:
    """Return the number of threads that scipy's BLAS and LAPACK (OpenBLAS) take in this process."""
    return _library_threads("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def _library_threads(*variables: str) -> int:
    """Return the first number among the environment variables, but at most one thread for each usable CPU.

    Where two hardware threads share a core, torch takes one thread for both; the count here is then greater, but
    still the same in every process of the machine. The libraries themselves are not asked: their answer changes while
    another fit limits them (`models.numerics.threads`).
    """
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    asked = (os.environ.get(variable, "") for variable in variables)
    return next((min(int(number), cpus) for number in asked if number.isdigit() and int(number)), cpus)
