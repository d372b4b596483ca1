"""The home folder of one dataset: its files, the dataset it belongs to, and its locks."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts import IdType
from tasks.errors import LockedError, UsageError
from tasks.storage.artifact_store import Store, write_json
from tasks.storage.remote_store import RemoteStore, is_address
from tasks.storage.sqlite_address import sqlite_address

_LISTS = "recommendations.db"

BUILT_IN = ("demo", "ml-latest-small", "ml-25m", "ml-32m")
"""Names of datasets that need no folder: they are generated or downloaded."""


@dataclass(frozen=True)
class Home:
    """The folders of one home.

    Attributes:
        path: the home itself.
        dataset: the dataset that it belongs to.
        home_id: a random name, stamped on the publication target.
        input: the folder of input files: `raw/` of the home, or the folder that the user named.
    """

    path: Path
    dataset: str
    home_id: str
    input: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file, which can be rebuilt from the input."""
        return self.path / "warehouse.duckdb"

    @property
    def artifacts(self) -> Path:
        """The folder of the artifact store: the results of stages."""
        return self.artifacts_at(self.place)

    @property
    def artifact_store(self) -> Store:
        """The artifact store."""
        return self.store_at(self.place)

    @property
    def place(self) -> str:
        """Where the artifacts lie: a folder or an address that homes may share; empty for the home itself."""
        return self._place("artifacts") or ""

    @property
    def place_before(self) -> str | None:
        """Where artifacts lay that are being moved to `place`; None if none are."""
        return self._place("artifacts_before")

    def remember_place(self, place: str, before: str | None) -> None:
        """Remember where the artifacts lie, and where those lie that are still to be moved there, if any."""
        _write(self.path, json.loads(_read(self.path)) | {"artifacts": place, "artifacts_before": before})

    def _place(self, name: str) -> str | None:
        try:
            place: str | None = json.loads(_read(self.path)).get(name)
        except FileNotFoundError:
            return None
        return place

    def artifacts_at(self, place: str) -> Path:
        """Return the folder on this machine of the artifacts that lie at a place; see `place`."""
        if not place or is_address(place):
            return self.path / "artifacts"
        return Path(place) / self._shared_name

    def store_at(self, place: str) -> Store:
        """Return the artifact store at a place; see `place`."""
        remote = RemoteStore(f"{place.rstrip('/')}/{self._shared_name}") if is_address(place) else None
        return Store(self.artifacts_at(place).absolute(), remote)

    @property
    def _shared_name(self) -> str:
        """The name of this home's folder at a place that homes share."""
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', self.dataset)}-{self.home_id[:12]}"

    @property
    def runs(self) -> Path:
        """The run records and reports, one folder per night."""
        return self.path / "runs"

    @property
    def tuning(self) -> Path:
        """The trials of `recs tune`."""
        return self.path / "tuning"

    @property
    def replays(self) -> Path:
        """The results of `recs replay`, and what a replay works with."""
        return self.path / "replays"

    @property
    def tuned(self) -> Path:
        """The settings that `recs tune` found; absent unless they are better than the defaults."""
        return self.path / "tuned.toml"

    @property
    def forgotten(self) -> Path:
        """The list of forgotten users and items, as keyed hashes; absent until something is forgotten."""
        return self.path / "forgotten.json"

    @property
    def prefect(self) -> Path:
        """Prefect's own files."""
        return self.path / "prefect"

    @property
    def owner(self) -> str:
        """The owner that the publication target is stamped with."""
        return f"{self.dataset}/{self.home_id}"

    @property
    def default_url(self) -> str:
        """The serving database unless the settings name one: a SQLite file in the home."""
        return sqlite_address(self.path.resolve() / _LISTS)

    @property
    def target(self) -> str | None:
        """The address, without user and password, to which the home has published; None before the first lists."""
        try:
            target: str | None = json.loads(_read(self.path)).get("target")
        except FileNotFoundError:
            return None
        return self.default_url if target == _LISTS else target

    def remember_target(self, address: str) -> None:
        """Remember an address without user and password. The home's own file is remembered wherever the home is."""
        about = json.loads(_read(self.path))
        target = _LISTS if address == self.default_url else address
        if about.get("target") != target:
            _write(self.path, about | {"target": target})

    def id_types(self) -> tuple[IdType, IdType] | None:
        """Return the types of user and item ids; None before the first night has fixed them."""
        about = json.loads(_read(self.path))
        types: list[IdType] | None = about["id_types"]
        return None if types is None else (types[0], types[1])

    def fix_id_types(self, user: IdType, item: IdType) -> None:
        """Fix the id types for all later nights, so that an id such as "007" is never text one night and 7 the next."""
        _write(self.path, json.loads(_read(self.path)) | {"id_types": [user, item]})


def open_home(
    dataset: str | None,
    home: Path | None,
    name: str | None = None,
    *,
    check_input: Callable[[Path], None] | None = None,
) -> Home:
    """Return the home of a dataset; create it if absent.

    Args:
        dataset: a built-in name, or the path of a folder, which wins over a name (unless the home of that name holds
            the downloaded files already). None for the dataset of an existing `home`, else the demo.
        home: the folder of the home; by default `data/<dataset name>`.
        name: of a dataset given as a path; by default the folder's name.
        check_input: called with the input folder before a new home is made for it; must raise if no night could start
            from that folder.

    Raises:
        UsageError: the home belongs to another dataset or cannot be written, or the dataset is neither a folder nor a
            built-in name.
    """
    if dataset is None and home is not None and (home / "home.json").is_file():
        return existing_home(home)
    folder = _folder_of(dataset, home)
    dataset = dataset or "demo"
    if folder is not None and folder.is_file():
        raise _not_a_folder(folder)
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"There is no data set {dataset!r}: neither a folder nor a known name.",
            f"Known names: {', '.join(BUILT_IN)}. Or give the path of a folder that holds ratings.csv.",
        )
    dataset_name = name or (dataset if folder is None else folder.resolve().name)
    home = home or Path("data") / dataset_name
    if not (home / "home.json").exists():
        if folder is not None and check_input is not None:
            check_input(folder)
        _make(home, dataset_name, folder)
    existing = existing_home(home)
    if existing.dataset != dataset_name:
        raise UsageError(
            f"The home {home} belongs to the data set {existing.dataset!r}, not to {dataset_name!r}.",
            "Give this data set a home of its own with --home, or none for the default.",
        )
    requested = home / "raw" if folder is None else folder.resolve()
    if existing.input != requested:
        never_filled = existing.input == home / "raw" and not _holds_files(existing.input)
        if name is None and not never_filled:
            raise UsageError(
                f"The home {home} reads its data from {existing.input}, not from {requested}.",
                f"If the data set has moved, say so with --name {dataset_name}; else give this one its own --home.",
            )
        _write(home, json.loads(_read(home)) | {"input": str(requested)})
    return existing_home(home)


def make_home(path: Path, dataset: str) -> Home:
    """Create the home of a data set whose input folder is not known yet: the first night with `--dataset` names it."""
    _make(path, dataset, None)
    return existing_home(path)


def _not_a_folder(file: Path) -> UsageError:
    """Return the error for a file in place of the folder of a data set."""
    if re.search(r"(?i)\.(zip|7z|rar|tar|tgz|tar\.\w+)$", file.name):
        return UsageError(
            f"The data set {str(file)!r} is an archive; a folder was expected.",
            "Unpack it, and name the folder that holds ratings.csv or the like.",
        )
    return UsageError(
        f"The data set {str(file)!r} is a file; a folder was expected.",
        f"Name the folder that holds it: --dataset {shlex.quote(str(file.parent))}. A file is found by its name, "
        f"such as ratings.csv, or by a setting: --set data.ratings.file={shlex.quote(file.name)}, or data.events.file "
        "for views, clicks and purchases",
    )


def _folder_of(dataset: str | None, home: Path | None) -> Path | None:
    """Return the input folder that `--dataset` means; None for a built-in data set."""
    if dataset is None:
        return None
    folder = Path(dataset)
    if dataset in BUILT_IN:
        raw = (home or Path("data") / dataset) / "raw"
        if not folder.is_dir() or _holds_files(raw):
            return None
    return folder


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def read_in_place_of_built_in(dataset: str | None, home: Home) -> list[str]:
    """Return a note if `dataset` is a built-in name and a folder's, too: which of both the home reads."""
    if dataset not in BUILT_IN or not Path(dataset).is_dir():
        return []
    if home.input == home.path / "raw":
        return [
            f"Reads the built-in {dataset} in {home.input}; --dataset ./{dataset} is the folder of that name."
        ]
    return [f"Reads the folder {home.input}, not the built-in data set of that name."]


def existing_home(home: Path) -> Home:
    """Return the home in a folder.

    Raises:
        UsageError: there is no home, or its `home.json` is damaged.
    """
    try:
        about = json.loads(_read(home))
        return Home(home, about["dataset"], about["home_id"], Path(about["input"] or home / "raw"))
    except FileNotFoundError:
        relative = "" if home.is_absolute() else f" (in the current folder, {Path.cwd()})"
        raise UsageError(
            f"There is no home at {home}{relative}: no night has run there yet.", _other_homes(home)
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(
            f"{home / 'home.json'} cannot be read ({error}).", "Is this folder really a home of nightly-recs?"
        ) from None


def _other_homes(home: Path) -> str:
    """Return a hint: the homes nearby, or how to create one."""
    there = homes_nearby(home)
    if there:
        return f"Homes at hand: {', '.join(map(str, there))}. Name one with --home."
    return "The first night makes one: recs run --dataset FOLDER, or recs run for the demo."


def homes_nearby(home: Path) -> list[Path]:
    """Return the homes beside a folder and those in `data/`, but not the folder itself."""
    there = {found.parent for place in (home.parent, Path("data")) for found in place.glob("*/home.json")}
    return sorted(there - {home})


def _make(home: Path, dataset: str, folder: Path | None) -> None:
    """Create a home; another process may create the same one at the same time."""
    try:
        for part in ("raw", "artifacts", "runs", "prefect"):
            (home / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(home, error) from None
    with _lock(home):
        if not (home / "home.json").exists():  # else another process has made it
            about = {"dataset": dataset, "home_id": uuid.uuid4().hex, "id_types": None}
            _write(home, about | {"input": None if folder is None else str(folder.resolve())})


def _read(home: Path) -> str:
    return (home / "home.json").read_text(encoding="utf-8")


def _write(home: Path, about: dict[str, Any]) -> None:
    try:
        write_json(home / "home.json", about)
    except OSError as error:
        raise _unwritable(home, error) from None


def _unwritable(home: Path, error: OSError) -> UsageError:
    return UsageError(
        f"The home {home} cannot be written: {error.strerror}.",
        "Choose another folder with --home, or mend its permissions.",
    )


def locked(home: Home, activity: str = "night") -> AbstractContextManager[None]:
    """Hold the home's lock for an activity. The kernel releases it when this process ends, however it ends.

    Args:
        home: the home; each activity can run in it once at a time.
        activity: `night`, which uses the warehouse; `tune`, which uses the trials; `replay`, which uses `replays/`.

    Raises:
        LockedError: another process holds the lock.
        UsageError: the home cannot be written.
    """
    return _lock(home.path, activity)


def in_use(home: Home) -> bool:
    """Return whether a night is running in the home.

    The lock is probed only if a process with the stored PID is alive (PIDs are reused): probing takes the lock for an
    instant, in which a night that begins would be refused.
    """
    try:
        with (home.path / "lock").open(encoding="ascii") as file:
            with suppress(PermissionError):  # the process is alive and belongs to another user
                os.kill(int(file.read()), 0)
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return False


@contextmanager
def _lock(home: Path, activity: str = "night") -> Iterator[None]:
    """Hold the lock file of an activity, with this process's PID in it."""
    file = "lock" if activity == "night" else f"{activity}.lock"
    try:
        descriptor = os.open(home / file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(home, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise LockedError(
                f"Another {activity} is running in {home} (process {holder or 'unknown'}).",
                "Wait for it to end: the lock is released with its process.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
