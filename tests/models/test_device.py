"""The device to train on, and the properties of the machine that fitted bits depend on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models import device
from models.device import DeviceConfig, blas_threads, gpu_name, torch_device, torch_threads
from models.factors.mf_config import MFConfig
from models.graph.ngcf_config import NGCFConfig
from models.linear.ease import EASEConfig
from models.neural.config import NeuralConfig
from models.registry import RECOMMENDERS, config_class

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*VARIABLES, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    gpu_name.cache_clear()
    yield
    gpu_name.cache_clear()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU, as torch describes it."""
    monkeypatch.setattr(device, "_GPU_DRIVERS", (os.devnull,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")


@without_gpu
def test_cuda_is_an_error_without_a_gpu() -> None:
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="finds no GPU"):
        torch_device("cuda")


@without_gpu
def test_the_machine_is_checked_for_the_gpu_of_a_config() -> None:
    DeviceConfig(device="auto").check_machine()
    DeviceConfig(device="cpu").check_machine()
    with pytest.raises(ValueError, match="device is 'cuda', but torch finds no GPU"):
        DeviceConfig(device="cuda").check_machine()


def test_a_fit_on_a_gpu_depends_on_its_name(gpu: None) -> None:
    for config in (DeviceConfig, MFConfig, NGCFConfig):
        assert config().machine_state() == {"device": "cuda:H200"}
    assert DeviceConfig(device="cpu").machine_state() == {}
    assert MFConfig(device="cpu").machine_state() == {"threads": torch_threads()}


def test_hidden_gpus_are_not_used(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        gpu_name.cache_clear()
        assert DeviceConfig().machine_state() == {}


@without_gpu
def test_threads_count_only_where_bits_depend_on_them() -> None:
    counted = {name for name in RECOMMENDERS if "threads" in config_class(name)().machine_state()}
    neural = {name for name in RECOMMENDERS if issubclass(config_class(name), NeuralConfig)}
    assert counted == {"mf", "ngcf", "ease"} | neural
    assert EASEConfig(solver="sparse").machine_state() == {}
    for name in set(RECOMMENDERS) - counted:
        assert config_class(name)().machine_state() == {}


def test_threads_follow_the_environment_up_to_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert (torch_threads(), blas_threads()) == (8, 8)
    for value, threads in (("3", 3), ("99", 8), ("", 8), ("4,2", 8), ("0", 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert (torch_threads(), blas_threads()) == (threads, threads)
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    assert (torch_threads(), blas_threads()) == (2, 5)
    assert EASEConfig().machine_state() == {"threads": 5}
    assert NGCFConfig(device="cpu").machine_state() == {"threads": 2}


def test_a_librarys_own_variable_precedes_that_of_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for variable, threads in (
        ("OMP_NUM_THREADS", "3"),
        ("MKL_NUM_THREADS", "2"),
        ("OPENBLAS_NUM_THREADS", "5"),
    ):
        monkeypatch.setenv(variable, threads)
    assert (torch_threads(), blas_threads()) == (2, 5)


@pytest.mark.parametrize("variables", [{}, {"OMP_NUM_THREADS": "1"}])
@pytest.mark.slow
def test_threads_are_those_that_the_libraries_take(variables: dict[str, str]) -> None:
    """Checked in a new process, because the libraries read the environment when they are loaded."""
    code = (
        "import scipy.linalg, torch; from threadpoolctl import threadpool_info; from models.device import *; "
        "blas = {p['num_threads'] for p in threadpool_info() if p['internal_api'] == 'openblas'}; "
        "assert torch.get_num_threads() <= torch_threads(), torch.get_num_threads(); "
        "assert not blas or blas == {blas_threads()}, blas"
    )
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=root)


@pytest.mark.skipif(
    sys.platform != "linux" or any(map(os.path.exists, device._GPU_DRIVERS)), reason="needs no GPU"
)
def test_machine_state_imports_no_torch_without_a_gpu() -> None:
    code = (
        "import sys; from models.registry import *; [config_class(n)().machine_state() for n in RECOMMENDERS]; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
