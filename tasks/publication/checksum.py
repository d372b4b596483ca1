"""Checksum of a run's rows: equal for lists as made, as loaded and as read back, however they are cut into blocks."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
import pyarrow as pa


class Digest:
    """BLAKE2b (RFC 7693) over the columns of some tables, fed block by block.

    It covers a column's values, which of them are null, and the length of each text; not how blocks are cut.
    """

    def __init__(self) -> None:
        self._columns: defaultdict[tuple[str, str, str], hashlib.blake2b] = defaultdict(self._empty)

    @staticmethod
    def _empty() -> hashlib.blake2b:
        return hashlib.blake2b(digest_size=16)

    def add(self, table: str, block: pa.RecordBatch) -> None:
        """Add the next rows of a table. Columns are integers of any width, floats, or text.

        A column `variant` of nulls does not count: lists of runs without a trial have none, nor had those of versions
        without trials, whose checksums stay valid.
        """
        for name, column in zip(block.schema.names, block.columns, strict=True):
            if name == "variant" and column.null_count == len(column):
                continue
            self._feed(table, name, "null", _bytes(column.is_null()))
            values = column.drop_null()
            if not len(values):
                continue
            if pa.types.is_string(values.type):
                _, offsets, text = values.buffers()
                bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
                self._feed(table, name, "length", np.diff(bounds).tobytes())
                self._feed(table, name, "value", memoryview(text or b"")[bounds[0] : bounds[-1]])
            else:
                is_float = pa.types.is_floating(values.type)
                numbers = values.cast(pa.float64() if is_float else pa.int64()).to_numpy(zero_copy_only=False)
                self._feed(table, name, "value", (numbers + 0).tobytes())  # SQLite stores -0.0 as 0.0

    def _feed(self, table: str, column: str, part: str, data: bytes | memoryview) -> None:
        self._columns[table, column, part].update(data)

    def hexdigest(self) -> str:
        """Return the checksum of all tables so far: 32 hexadecimal digits."""
        whole = self._empty()
        for key, column in sorted(self._columns.items()):
            whole.update("/".join(key).encode() + column.digest())
        return whole.hexdigest()


def _bytes(column: pa.Array) -> bytes:
    data: bytes = column.to_numpy(zero_copy_only=False).tobytes()
    return data
