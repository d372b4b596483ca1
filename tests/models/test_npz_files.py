"""Arrays in `.npz` files that can be mapped: aligned, the same to the bit, safe from whoever writes the file anew."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.interactions import load_matrix, save_matrix
from models.npz_files import forget_pages, read_npz, write_npz

STATUS = Path("/proc/self/status")
ARRAYS = {
    "a": np.arange(7, dtype=np.int8),
    "longer_name": np.linspace(0, 1, 12).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "empty": np.empty((0, 5), np.float32),
    "number": np.float32(2.5),
    "text": np.array("kind"),
}


def base_of(array: np.ndarray) -> object:
    """Return the object whose memory an array shows."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_arrays_come_back_mapped_and_aligned(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.asarray(array).dtype, name
        assert np.array_equal(found[name], array), name
        assert found[name].ctypes.data % 64 == 0, name
        assert isinstance(base_of(found[name]), mmap.mmap), name
    assert found["fortran"].flags.f_contiguous


def test_numpy_reads_the_same(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_of_numpy_are_read(write, tmp_path: Path) -> None:
    write(tmp_path / "a.npz", **ARRAYS)
    found = read_npz(tmp_path / "a.npz")
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert all(array.flags.aligned and array.flags.writeable for array in found.values())


def test_equal_arrays_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_npz(tmp_path / f"{name}.npz", ARRAYS)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_a_change_of_a_mapped_array_stays_in_memory(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    read_npz(tmp_path / "a.npz")["a"][:] = 100
    assert np.array_equal(read_npz(tmp_path / "a.npz")["a"], ARRAYS["a"])


def test_a_mapped_array_survives_a_new_file(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"a": np.arange(100_000)})
    earlier = read_npz(tmp_path / "a.npz")["a"]
    write_npz(tmp_path / "a.npz", {"a": np.zeros(3)})
    assert np.array_equal(earlier, np.arange(100_000))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_objects_are_refused(tmp_path: Path) -> None:
    objects = np.array([{}], dtype=object)
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        write_npz(tmp_path / "a.npz", {"a": objects})
    np.savez(tmp_path / "b.npz", a=objects)
    with pytest.raises(ValueError, match="Python objects"):
        read_npz(tmp_path / "b.npz")


def test_scipy_reads_a_saved_matrix(tmp_path: Path) -> None:
    matrix = sparse.random_array((30, 20), density=0.2, format="csr", dtype=np.float32, rng=1)
    save_matrix(tmp_path, "m", matrix)
    for found in (load_matrix(tmp_path, "m"), sparse.load_npz(tmp_path / "m.npz")):
        assert isinstance(found, sparse.csr_array)
        assert (found.dtype, found.indices.dtype) == (np.float32, matrix.indices.dtype)
        assert np.array_equal(found.toarray(), matrix.toarray())


def test_readers_share_a_mapping_if_they_ask(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    one, other, alone = (read_npz(tmp_path / "a.npz", shared=shared)["a"] for shared in (True, True, False))
    assert np.shares_memory(one, other)
    assert not np.shares_memory(one, alone)
    write_npz(tmp_path / "a.npz", {"a": ARRAYS["a"] + 1})
    assert np.array_equal(read_npz(tmp_path / "a.npz", shared=True)["a"], ARRAYS["a"] + 1)
    assert np.array_equal(one, ARRAYS["a"])


@pytest.mark.skipif(
    not STATUS.exists(), reason="reads the memory of mapped files from /proc, which is there on Linux"
)
def test_forgotten_pages_are_no_memory_until_they_are_read_again(tmp_path: Path) -> None:
    large = np.arange(10_000_000, dtype=np.float32)
    write_npz(tmp_path / "a.npz", {"before": np.arange(3), "large": large, "after": np.arange(3)})
    found = read_npz(tmp_path / "a.npz")
    assert np.array_equal(found["large"], large)
    before = mapped_mb()
    forget_pages(found["large"])
    assert mapped_mb() < before - 35
    assert np.array_equal(found["large"], large)
    assert [found[name].tolist() for name in ("before", "after")] == [[0, 1, 2]] * 2
    forget_pages(large)
    assert large[-1] == 9_999_999


def mapped_mb() -> float:
    """Return the memory of mapped files, in MB."""
    [kilobytes] = [line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("RssFile")]
    return int(kilobytes) / 1024
