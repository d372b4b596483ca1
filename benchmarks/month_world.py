"""The deliveries of a month: the demo's last thirty days as daily files, with everything that goes wrong in a month.

The base, all that lies before, is delivered once as snapshots. Users have text ids, so that a search of bytes finds
what is left of one of them.
"""

from __future__ import annotations

import gzip
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from tasks.datasets.synthetic.generate import generate_demo

DAILY = ("ratings", "tags", "events")
SECONDS_A_DAY = 86_400
AN_HOUR = 3600
_USER_COLUMNS = ("userId", "friendId")


@dataclass(frozen=True)
class Calendar:
    """The days of the month, from 1, on which something happens; a month of fewer days leaves out the later ones.

    Attributes:
        corrupted: a file arrives truncated; the whole one comes the next day, under the same name.
        repeated: the files of the day before come once more, under other names.
        halves: a file arrives while the night runs, its first half only.
        no_data: nothing arrives.
        forgotten: after this night one user is forgotten.
        delivered_again: a file brings all rows of the forgotten user once more.
        tenfold: ten times the usual rows arrive.
        clock_back: the machine's clock says that it is a year earlier.
    """

    corrupted: int = 4
    repeated: int = 7
    halves: int = 9
    no_data: int = 11
    forgotten: int = 12
    delivered_again: int = 15
    tenfold: int = 18
    clock_back: int = 22

    def events_on(self, day: int) -> list[str]:
        """Return what happens on a day, in words."""
        return [name.replace("_", " ") for name, when in vars(self).items() if when == day]


@dataclass
class World:
    """An input folder that grows by a delivery a day.

    Attributes:
        folder: the input folder.
        days: by source, the rows of each day: days[source][0] is the first day of the month.
        base: by source, the rows before the month.
        forgotten: external id of the user who will be forgotten: active before the month and in it.
        rng: draws what is invented.
    """

    folder: Path
    days: dict[str, list[pa.Table]]
    base: dict[str, pa.Table]
    forgotten: str
    rng: np.random.Generator
    _late: list[tuple[Path, bytes]] = field(default_factory=list)

    def deliver(self, day: int, calendar: Calendar) -> int:
        """Write the files of a day, from 1, and what was late the day before; return the number of rows."""
        late, self._late = self._late, []
        for path, content in late:
            _write(path, content)
        if day == calendar.no_data:
            return 0
        n_rows = 0
        for source in DAILY:
            rows = self.days[source][day - 1]
            if day == calendar.tenfold and source == "ratings":
                rows = pa.concat_tables([rows, self._invented(rows)])
            if day == calendar.delivered_again and source == "ratings":
                theirs = self.base[source].filter(pc.equal(self.base[source]["userId"], self.forgotten))
                rows = pa.concat_tables([rows, theirs])
            if not rows.num_rows:
                continue
            n_rows += rows.num_rows
            self._deliver(source, day, rows, calendar)
        if day == calendar.repeated:
            for path in sorted(self._incoming.glob(f"*-{day - 1:02}.*")):
                _write(
                    path.with_name(path.name.replace(f"-{day - 1:02}", f"-{day - 1:02}-again")),
                    path.read_bytes(),
                )
        return n_rows

    @property
    def _incoming(self) -> Path:
        return self.folder / "incoming"

    def _deliver(self, source: str, day: int, rows: pa.Table, calendar: Calendar) -> None:
        content = _as_csv(rows)
        path = self._incoming / f"{source}-{day:02}.csv"
        if source == "ratings" and day == calendar.corrupted:
            path = path.with_suffix(".csv.gz")
            content = gzip.compress(content)
            _write(path, content[: len(content) // 2])
            self._late.append((path, content))
        elif source == "ratings" and day == calendar.halves:
            _write(path, content[: len(content) // 2], age=0)
            self._late.append((path, content))
        else:
            _write(path, content)

    def _invented(self, rows: pa.Table) -> pa.Table:
        """Return nine times as many ratings, by known users, of known items, at the times of `rows`."""
        n_new, known = 9 * rows.num_rows, self.base["ratings"]

        def drawn(column: str, table: pa.Table) -> pa.ChunkedArray:
            return table[column].take(self.rng.integers(table.num_rows, size=n_new))

        return pa.table(
            {name: drawn(name, rows if name == "timestamp" else known) for name in rows.column_names},
            schema=rows.schema,
        )


def make_world(folder: Path, scratch: Path, *, n_days: int, users: int, items: int, ratings: int) -> World:
    """Generate the demo's world and write its base: all rows before the last `n_days` days, and the descriptions.

    Args:
        folder: the input folder to make.
        scratch: a folder for the generated files.
        n_days: length of the month.
        users, items, ratings: size of the world.
    """
    generate_demo(scratch, users=users, items=items, ratings=ratings, tags=ratings // 10, seed=7)
    (folder / "incoming").mkdir(parents=True)
    tables = {path.stem: _with_text_ids(arrow_csv.read_csv(path)) for path in scratch.glob("*.csv")}
    newest = max(pc.max(tables[source]["timestamp"]).as_py() for source in DAILY)
    start = (newest // SECONDS_A_DAY + 1 - n_days) * SECONDS_A_DAY
    base: dict[str, pa.Table] = {}
    days: dict[str, list[pa.Table]] = {}
    for name, table in tables.items():
        if name not in DAILY:
            _write(folder / f"{name}.csv", _as_csv(table))
            continue
        number = pc.floor(
            pc.divide(pc.cast(pc.subtract(table["timestamp"], start), pa.float64()), SECONDS_A_DAY)
        )
        base[name] = table.filter(pc.less(number, 0))
        days[name] = [table.filter(pc.equal(number, day)) for day in range(n_days)]
        _write(folder / f"{name}.csv", _as_csv(base[name]))
    return World(
        folder, days, base, _an_active_user(base["ratings"], days["ratings"]), np.random.default_rng(11)
    )


def _an_active_user(base: pa.Table, days: list[pa.Table]) -> str:
    """Return the user of the month with most ratings before it."""
    in_month = pc.unique(pa.concat_tables(days)["userId"])
    counts = base.filter(pc.is_in(base["userId"], in_month)).group_by("userId").aggregate([([], "count_all")])
    user: str = counts.sort_by([("count_all", "descending"), ("userId", "ascending")])["userId"][0].as_py()
    return user


def _with_text_ids(table: pa.Table) -> pa.Table:
    """Return the table with users such as `user-00042@example.org`."""
    for column in _USER_COLUMNS:
        if column in table.column_names:
            ids = pc.utf8_lpad(pc.cast(table[column], pa.string()), 5, "0")
            text = pc.binary_join_element_wise("user-", ids, "@example.org", "")
            table = table.set_column(table.column_names.index(column), column, text)
    return table


def _as_csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()


def _write(path: Path, content: bytes, *, age: float = AN_HOUR) -> None:
    """Write a file as if it was `age` seconds old."""
    path.write_bytes(content)
    moment = time.time() - age
    os.utime(path, (moment, moment))
