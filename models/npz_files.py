"""Write arrays into `.npz` files so that they can be memory-mapped, and map them.

numpy maps no member of an archive, and its members begin anywhere. Here each array begins at a multiple of 64 bytes, so
that every process on a machine that reads it shares one copy, in the page cache of the operating system. Any program
that reads `.npz` files can read these.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes; numpy's own header of an array is a multiple of it
_LOCAL_HEADER = struct.Struct(
    "<26xHH"
)  # of a member: it ends with the lengths of the name and of the extra field
_ZIP64 = 20  # bytes of the extra field that zipfile adds for members of any size
_PADDING_ID = 0xD935  # of an extra field that only aligns, as in Android's packages


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into a file, which replaces an earlier one at once: whoever has mapped that keeps it.

    Args:
        path: of the file, in an existing folder.
        arrays: by name; none of Python objects.
    """
    partial = path.with_name(f".{path.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(
                f"{name}.npy"
            )  # without the time of writing: equal arrays make equal files
            unpadded = archive.start_dir + _LOCAL_HEADER.size + len(member.filename.encode()) + _ZIP64
            room = -(unpadded + 4) % _ALIGNMENT
            member.extra = struct.pack("<HH", _PADDING_ID, room) + bytes(room)
            with archive.open(member, "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(array), allow_pickle=False)
    partial.replace(path)


_maps: weakref.WeakValueDictionary[tuple[int, int, int, int], mmap.mmap] = weakref.WeakValueDictionary()
"""Device, inode, size and time of change of a file → its mapping, while an array shows it."""


def read_npz(path: Path, *, shared: bool = False) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name, memory-mapped where they can be; else, as if numpy wrote it, read.

    They can be changed: a changed page is this process's own, and the file stays.

    Args:
        path: of the file.
        shared: let all readers of this process that ask so share one mapping, which counts once as its memory: none of
            them changes an array.

    Raises:
        ValueError: an array is of Python objects.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        mapped = _shared_map(file) if shared else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return {
            member.filename.removesuffix(".npy"): _array(file, mapped, member.header_offset)
            for member in archive.infolist()
        }


def _shared_map(file: BinaryIO) -> mmap.mmap:
    about = os.fstat(file.fileno())
    key = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    mapped = _maps.get(key)
    if mapped is None:
        mapped = _maps[key] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return mapped


def forget_pages(array: NDArray[Any]) -> None:
    """Let the operating system take back the pages of a mapped array, which nobody has changed.

    They are mapped again, from its cache or the file, when they are read. Nothing happens to an array that is not
    mapped, or where the operating system does not offer this.

    Args:
        array: one that `read_npz` has returned, contiguous.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    mapped = base.obj if isinstance(base, memoryview) else base
    if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    first = array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    start = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
    stop = (first + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if stop > start:
        mapped.madvise(mmap.MADV_DONTNEED, start, stop - start)


def _array(file: BinaryIO, mapped: mmap.mmap, at: int) -> NDArray[Any]:
    """Return the array of the member whose header begins at `at`; a copy if it is not aligned.

    Raises:
        ValueError: it is of Python objects.
    """
    name, extra = _LOCAL_HEADER.unpack_from(mapped, at)
    file.seek(at + _LOCAL_HEADER.size + name + extra)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects cannot be read without pickle")
    flat = np.frombuffer(mapped, dtype, count=int(np.prod(shape)), offset=file.tell())
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array if array.flags.aligned else array.copy(order="K")
