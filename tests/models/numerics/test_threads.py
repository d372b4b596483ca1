"""Kernels can be launched at once under numba's workqueue layer; limits of BLAS and torch hold and are undone."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import torch

from models.numerics.threads import one_torch_thread

BLAS_BLOCKS = """
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
import scipy.linalg
from threadpoolctl import threadpool_info
from models.numerics.threads import one_blas_thread

def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

def inside():
    with one_blas_thread():
        return threads()

if threads() != {2}:
    print("no second thread")
    raise SystemExit
assert inside() == {1} and threads() == {2}
with ThreadPoolExecutor(1) as other:
    assert other.submit(inside).result() == {1} and threads() == {2}, "another thread is obeyed too"
first, second = ExitStack(), ExitStack()
first.enter_context(one_blas_thread())
second.enter_context(one_blas_thread())
first.close()
assert threads() == {1}, "until the last of overlapping blocks is left"
second.close()
assert threads() == {2}
try:
    with one_blas_thread():
        raise ZeroDivisionError
except ZeroDivisionError:
    assert threads() == {2}
"""

LISTS_IN_THREE_THREADS = """
from concurrent.futures import ThreadPoolExecutor
import numba
import numpy as np
from scipy import sparse
from models.ranking import factor_scorer
from models.ranking import item_item_scorer

rng = np.random.default_rng(0)
users, order = np.arange(400), rng.permutation(300).astype(np.int32)
factors, seen = rng.random((400, 4), np.float32), sparse.csr_array(rng.random((400, 300)) < 0.1, dtype=np.float32)
similarity = sparse.csr_array(rng.random((300, 300)) < 0.1, dtype=np.float32)

def lists(_):
    for _ in range(20):
        factor_scorer.top_n(factors, factors[:300], users, 9, tie_order=order, exclude=seen)
        found = item_item_scorer.top_n(seen, similarity, users, 9, tie_order=order, exclude=seen)
    return found.items

with ThreadPoolExecutor(3) as pool:
    first, *others = pool.map(lists, range(3))
assert all(np.array_equal(first, other) for other in others)
print(numba.threading_layer())
"""


@pytest.mark.slow
def test_kernels_wait_for_each_other_under_workqueue():
    workqueue = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-c", LISTS_IN_THREE_THREADS]
    done = subprocess.run(command, check=False, env=workqueue, capture_output=True, text=True, timeout=400)
    assert (done.returncode, done.stdout) == (0, "workqueue\n"), done.stderr[-500:]


def test_blas_has_one_thread_inside_a_block():
    two = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", BLAS_BLOCKS]
    done = subprocess.run(command, check=False, env=two, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    if done.stdout:
        pytest.skip("this BLAS has no second thread")


@pytest.fixture
def three_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_torch_has_one_thread_inside_a_block(three_torch_threads):
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    with pytest.raises(ZeroDivisionError), one_torch_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == 3


def test_new_threads_do_not_keep_the_limit_of_a_block(three_torch_threads):
    second = ExitStack()
    with ThreadPoolExecutor(1) as later:
        with one_torch_thread():
            later.submit(second.enter_context, one_torch_thread()).result()
        assert torch.get_num_threads() == 3
        assert later.submit(torch.get_num_threads).result() == 1
        later.submit(second.close).result()
        assert later.submit(torch.get_num_threads).result() == 3
    with ThreadPoolExecutor(1) as new:
        assert new.submit(torch.get_num_threads).result() == 3
