"""A fingerprint of a run's rows: the same for lists made, lists loaded and lists read back, however cut into blocks."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
import pyarrow as pa


class Digest:
    """BLAKE2b (RFC 7693) over the columns of some tables, each column fed as its blocks arrive.

    Of a column count the values, which of them are null, and for text also how long each is; not how blocks are cut.
    """

    def __init__(self) -> None:
        self._columns: defaultdict[tuple[str, str, str], hashlib.blake2b] = defaultdict(self._empty)

    @staticmethod
    def _empty() -> hashlib.blake2b:
        return hashlib.blake2b(digest_size=16)

    def add(self, table: str, block: pa.RecordBatch) -> None:
        """Go on with the next rows of a table: integers of any width, floats, and text."""
        for name, column in zip(block.schema.names, block.columns, strict=True):
            self._feed(table, name, "null", _bytes(column.is_null()))
            there = column.drop_null()
            if not len(there):
                continue
            if pa.types.is_string(there.type):
                _, offsets, text = there.buffers()
                bounds = np.frombuffer(offsets, np.int32)[there.offset : there.offset + len(there) + 1]
                self._feed(table, name, "length", np.diff(bounds).tobytes())
                self._feed(table, name, "value", memoryview(text or b"")[bounds[0] : bounds[-1]])
            else:
                is_float = pa.types.is_floating(there.type)
                numbers = there.cast(pa.float64() if is_float else pa.int64()).to_numpy(zero_copy_only=False)
                self._feed(table, name, "value", (numbers + 0).tobytes())  # SQLite knows no -0.0

    def _feed(self, table: str, column: str, part: str, data: bytes | memoryview) -> None:
        self._columns[table, column, part].update(data)

    def hexdigest(self) -> str:
        """32 hexadecimal digits."""
        whole = self._empty()
        for key, column in sorted(self._columns.items()):
            whole.update("/".join(key).encode() + column.digest())
        return whole.hexdigest()


def _bytes(column: pa.Array) -> bytes:
    data: bytes = column.to_numpy(zero_copy_only=False).tobytes()
    return data
