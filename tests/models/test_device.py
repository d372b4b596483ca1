"""Where torch trains."""

from __future__ import annotations

import pytest
import torch

from models.device import DeviceConfig, torch_device

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_an_error() -> None:
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="finds no GPU"):
        torch_device("cuda")


def test_a_config_asks_for_what_the_machine_lacks() -> None:
    DeviceConfig(device="auto").check_machine()
    DeviceConfig(device="cpu").check_machine()
    with pytest.raises(ValueError, match="device is 'cuda', but torch finds no GPU"):
        DeviceConfig(device="cuda").check_machine()
