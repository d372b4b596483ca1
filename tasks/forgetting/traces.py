"""Search a home and its serving database for users and items: what a call would remove, and that nothing is left.

Every file of the home, and of its artifacts if they lie elsewhere, is searched: those of ours by their columns of ids,
all of them byte by byte for ids that are text and long enough, unpacked where they are packed.
"""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.forgetting.caches import count_in_parquet
from tasks.forgetting.locked_bytes import files_of_database, holds_any
from tasks.forgetting.raw_files import UNREADABLE, count_rows
from tasks.forgetting.records import PAGE, RECORD, shows_in_page, shows_in_record
from tasks.forgetting.side_databases import count_in_database, side_databases
from tasks.forgetting.subject import COLUMNS, KINDS_OF_IDS, Subject
from tasks.forgetting.warehouse import (
    count_raw_rows,
    count_texts,
    quarantined,
    raw_texts,
    typed_columns,
)
from tasks.ingestion.first_bytes import container_of
from tasks.ingestion.increments import all_input_files
from tasks.ingestion.refused_rows import ID_COLUMNS
from tasks.ingestion.unpack import open_unpacked
from tasks.publication.targets import schema
from tasks.publication.targets.base import Target
from tasks.publication.targets.schema import KINDS
from tasks.storage.forgotten import Id, IdKind, readings
from tasks.storage.home import Home
from tasks.storage.warehouse import open_warehouse

_NOT_OF_ITEMS = ("item_rules", "seen_since")
"""Tables whose items stay: people and applications write them."""
_BLOCK = 1 << 22
_BYTES = "its id among the bytes"
NAME = "its id in the name"
"""Label of a trace in the name of a file or folder."""


@dataclass(frozen=True)
class Trace:
    """A place that names the subject.

    Attributes:
        place: a file below the home, a table, or a file of the input folder.
        what: what was found there.
        count: how many rows, values or files.
        foreign: whether the place is a file of the user's own input folder, which nobody here may write.
    """

    place: str
    what: str
    count: int
    foreign: bool = False


@dataclass
class Searched:
    """The result of a search.

    Attributes:
        traces: what was found.
        files, bytes: the files of the home that were searched, and their size.
        tables: the tables that were searched by their columns of ids.
        unread: files of the input that cannot be read, with the reason.
    """

    traces: list[Trace] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    tables: int = 0
    unread: list[str] = field(default_factory=list)

    @property
    def left(self) -> list[Trace]:
        """The traces that are ours to remove."""
        return [trace for trace in self.traces if not trace.foreign]

    @property
    def foreign(self) -> list[Trace]:
        """The traces in the user's own input files."""
        return [trace for trace in self.traces if trace.foreign]

    def add(self, place: str, what: str, count: int, *, foreign: bool = False) -> None:
        """Add a trace if anything was found."""
        if count:
            self.traces.append(Trace(place, what, count, foreign))


def search(home: Home, settings: DataSettings, target: Target | None, subject: Subject) -> Searched:
    """Search everything for a subject; nothing is written.

    Args:
        home: the home, whose lock the caller holds.
        settings: how input files are read.
        target: the serving database; None if there are no lists yet.
        subject: whom and what to search for.
    """
    found = Searched()
    _search_input(found, home, settings, subject)
    if home.warehouse.exists():
        _search_warehouse(found, home.warehouse, subject)
    if target is not None:
        _search_lists(found, target, subject)
    _search_files(found, home, target, subject)
    return found


def _search_input(found: Searched, home: Home, settings: DataSettings, subject: Subject) -> None:
    if not home.input.is_dir():
        return
    try:
        files = all_input_files(home.input, settings)
    except NightError as error:
        found.unread.append(f"{home.input}: {error}")
        return
    for file in files:
        foreign = not is_ours(home, file.location)
        place = str(file.location)
        if not foreign:
            place = file.location.resolve().relative_to(home.path.resolve()).as_posix()
        if foreign and subject.mentions.in_text(file.path):
            found.add(place, NAME, 1, foreign=True)
        try:
            found.add(place, "rows", count_rows(file, settings, subject), foreign=foreign)
        except UNREADABLE as error:
            found.unread.append(f"{place}: {error}")


def is_ours(home: Home, path: Path) -> bool:
    """Return whether a file of the input lies in the home, so that we write it; not one that a link leads to."""
    return path.resolve().is_relative_to(home.path.resolve())


def _search_warehouse(found: Searched, path: Path, subject: Subject) -> None:
    place = path.name
    with open_warehouse(path) as con:
        found.add(place, "landed rows", count_raw_rows(con, subject))
        found.add(place, "rows in quarantine", len(quarantined(con, subject)))
        columns = typed_columns(con, subject)
        for table, column, ids in columns:
            rows = con.table(table.strip('"')).filter(f"{column} in ({', '.join(map(_literal, ids))})")
            [(n,)] = rows.count("*").fetchall()
            found.add(place, f"{table.strip(chr(34))}.{column.strip(chr(34))}", n)
        found.tables += len({table for table, *_ in columns}) + 9
        for table_name, column, n in count_texts(con, subject):
            found.add(place, f"{table_name}.{column}, as text", n)


def _literal(identifier: int | str) -> str:
    text = str(identifier).replace("'", "''")
    return text if isinstance(identifier, int) else f"'{text}'"


def _search_lists(found: Searched, target: Target, subject: Subject) -> None:
    with target.read() as con:
        for table, columns in _tables(con):
            found.tables += 1
            for column, ids in id_columns(table, subject):
                rows = sa.select(sa.func.count()).select_from(table).where(table.c[column].in_(ids))
                found.add(target.place, f"{table.name}.{column}", con.scalar(rows) or 0)
            is_list = schema.run_of(table.name) is not None
            for text_column in columns if subject.texts and not is_list else ():
                named = sa.or_(*(text_column.contains(text, autoescape=True) for text in subject.texts))
                texts = con.scalars(sa.select(text_column).distinct().where(named))
                n = sum(map(subject.mentions.in_text, texts))
                found.add(target.place, f"{table.name}.{text_column.name}, as text", n)


def id_columns(table: sa.TableClause, subject: Subject) -> list[tuple[str, tuple[Id, ...]]]:
    """Return the columns of a serving table from which ids of the subject must go, with the ids."""
    named = subject.named_in(table.c.keys())
    return [each for each in named if table.name not in _NOT_OF_ITEMS or each[0] == "user_id"]


def _tables(con: sa.Connection) -> list[tuple[sa.TableClause, list[sa.ColumnClause[str]]]]:
    """Return the tables of a serving database that hold rows, with their columns of text."""
    inspector, found = sa.inspect(con), []
    parents = {*map(schema.partitioned_table_name, KINDS)}
    for name in inspector.get_table_names():
        if name not in parents:
            columns = inspector.get_columns(name)
            table = sa.table(name, *(sa.column(each["name"], each["type"]) for each in columns))
            found.append((table, [column for column in table.c if isinstance(column.type, sa.String)]))
    return found


def seen_ids(home: Home, target: Target | None, subject: Subject) -> set[tuple[IdKind, Id]]:
    """Return the ids of a subject that are in the warehouse or in the serving database."""
    found: set[tuple[IdKind, str]] = set()
    if home.warehouse.exists():
        with open_warehouse(home.warehouse) as con:
            for source, column, text in raw_texts(con, subject):
                for kind in ID_COLUMNS[source][column]:
                    name = text.strip().removeprefix(subject.item_prefix) if source == "relations" else text
                    found |= {
                        (kind, each) for each in readings(name, subject.refusal.forgotten.id_type(kind))
                    }
            for name, column, ids in typed_columns(con, subject):
                rows = con.table(name.strip('"')).filter(f"{column} in ({', '.join(map(_literal, ids))})")
                found |= {
                    (COLUMNS.get(column.strip('"'), "user"), str(each))
                    for (each,) in rows.select(column).fetchall()
                }
    if target is not None:
        with target.read() as reader:
            for table, _ in _tables(reader):
                for column, known in id_columns(table, subject):
                    values = reader.scalars(
                        sa.select(table.c[column]).distinct().where(table.c[column].in_(known))
                    )
                    found |= {(COLUMNS[column], str(each)) for each in values}
    return {(kind, each) for kind in KINDS_OF_IDS for each in subject.of(kind) if (kind, str(each)) in found}


def file_of(target: Target | None) -> Path | None:
    """Return the file of a serving database; None if it is on a server."""
    path = None if target is None else Path(target.place)
    return path.resolve() if path is not None and path.is_file() else None


def _search_files(found: Searched, home: Home, target: Target | None, subject: Subject) -> None:
    serving = file_of(target)
    in_use = {} if serving is None else {path.resolve(): path for path in files_of_database(serving)}
    raw = home.input.resolve()
    databases = set(side_databases(home.path, serving))
    elsewhere = [] if home.artifacts.is_relative_to(home.path) else sorted(home.artifacts.rglob("*"))
    for path in (*sorted(home.path.rglob("*")), *elsewhere):
        place = (path.relative_to(home.path) if path.is_relative_to(home.path) else path).as_posix()
        found.add(place, NAME, int(subject.mentions.in_text(path.name)))
        if path.is_symlink() or not path.is_file():
            continue
        found.files += 1
        found.bytes += path.stat().st_size
        if path.resolve() in in_use:
            continue
        _search_values(found, place, path, subject, is_database=path in databases, raw=raw)
        if subject.mentions:
            _search_bytes(found, place, path, subject)
    expressions = [expression for _, expression in subject.mentions.patterns]
    for path in in_use.values() if expressions else ():
        ours = path.is_relative_to(home.path.resolve())
        place = path.relative_to(home.path.resolve()).as_posix() if ours else str(path)
        found.add(place, _BYTES, int(holds_any(path, expressions)))


def _search_values(
    found: Searched, place: str, path: Path, subject: Subject, *, is_database: bool, raw: Path
) -> None:
    """Search a file of ours where it shows users; `raw` is the folder of the input, which is searched by rows."""
    if is_database:
        found.add(place, "values", count_in_database(path, subject))
    elif path.name == RECORD:
        found.add(place, "a record of a night", int(shows_in_record(path, subject)))
    elif path.name == PAGE:
        page = path.read_text(encoding="utf-8")
        found.add(place, "a page of a night", int(shows_in_page(page, subject)))
    elif path.suffix == ".parquet" and not path.resolve().is_relative_to(raw):
        found.add(place, "rows", count_in_parquet(path, subject))
        found.tables += 1


def _search_bytes(found: Searched, place: str, path: Path, subject: Subject) -> None:
    try:
        n_places = sum(_holds(each, subject) for each in contents(path))
    except UNREADABLE as error:
        found.unread.append(f"{place}: {error}")
        n_places = int(_holds(path, subject))
    found.add(place, _BYTES, n_places)


def contents(path: Path) -> Iterator[Path | bytes]:
    """Yield a file, and what it holds unpacked: the members of a zip such as an npz, or the text of a gzip."""
    yield path
    with path.open("rb") as file:
        container = container_of(file.read(16))
    if container == "zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    elif container not in ("plain", "zip"):
        with open_unpacked(path, container) as data:
            end = b""
            while block := data.read(_BLOCK):
                yield end + block
                end = block[-4096:]


def _holds(content: Path | bytes, subject: Subject) -> bool:
    """Return whether one of the subject's ids is among some bytes."""
    if isinstance(content, bytes):
        return subject.mentions.in_bytes(content)
    if not content.stat().st_size:
        return False
    with content.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return subject.mentions.in_bytes(data)
