"""The home folder of one dataset: where everything of its nights lives, whose it is, and its lock."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts import IdType
from tasks.errors import LockedError, UsageError
from tasks.storage.artifact_store import write_json

BUILT_IN = ("demo", "ml-latest-small", "ml-25m", "ml-32m")


@dataclass(frozen=True)
class Home:
    """The folders of one home.

    Attributes:
        path: the home itself.
        dataset: the dataset that it belongs to.
        home_id: a random name, stamped on the publication target.
        input: the folder of input files: `raw/` inside, or the folder that the user named.
    """

    path: Path
    dataset: str
    home_id: str
    input: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file; rebuildable from the input."""
        return self.path / "warehouse.duckdb"

    @property
    def artifacts(self) -> Path:
        """The stage store."""
        return self.path / "artifacts"

    @property
    def runs(self) -> Path:
        """One folder per night."""
        return self.path / "runs"

    @property
    def tuning(self) -> Path:
        """What `recs tune` remembers."""
        return self.path / "tuning"

    @property
    def tuned(self) -> Path:
        """The settings that `recs tune` found; there if it found better ones than the defaults."""
        return self.path / "tuned.toml"

    @property
    def prefect(self) -> Path:
        """Prefect's own files."""
        return self.path / "prefect"

    @property
    def owner(self) -> str:
        """What the publication target is stamped with."""
        return f"{self.dataset}/{self.home_id}"

    @property
    def default_url(self) -> str:
        """Where lists go unless the settings name a serving database."""
        return f"sqlite:///{self.path.resolve() / 'recommendations.db'}"

    def id_types(self) -> tuple[IdType, IdType] | None:
        """The types of user and item ids, once the first night has fixed them."""
        about = json.loads(_read(self.path))
        types: list[IdType] | None = about["id_types"]
        return None if types is None else (types[0], types[1])

    def fix_id_types(self, user: IdType, item: IdType) -> None:
        """Fix the id types for good; later nights must follow ("007" must not flip between nights)."""
        _write(self.path, json.loads(_read(self.path)) | {"id_types": [user, item]})


def open_home(
    dataset: str | None,
    home: Path | None,
    name: str | None = None,
    *,
    check_input: Callable[[Path], None] | None = None,
) -> Home:
    """The home of a dataset, made if absent.

    Args:
        dataset: a built-in name, or the path of a folder; None: what `home` holds already, else the demo.
        home: its folder; by default `data/<dataset name>`.
        name: what to call a dataset given as a path; by default the folder's own name.
        check_input: called with the input folder before a new home is made for it; raises if no night could start
            from that folder.

    Raises:
        UsageError: the home belongs to another dataset, cannot be written, or the dataset is no folder.
    """
    if dataset is None and home is not None and (home / "home.json").is_file():
        return existing_home(home)
    dataset = dataset or "demo"
    folder = None if dataset in BUILT_IN else Path(dataset).expanduser()
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"There is no data set {dataset!r}: neither a folder nor a known name.",
            f"Known names: {', '.join(BUILT_IN)}. Or give the path of a folder that holds ratings.csv.",
        )
    called = name or (dataset if folder is None else folder.resolve().name)
    home = home or Path("data") / called
    if not (home / "home.json").exists():
        if folder is not None and check_input is not None:
            check_input(folder)
        _make(home, called, folder)
    about = existing_home(home)
    if about.dataset != called:
        raise UsageError(
            f"The home {home} belongs to the data set {about.dataset!r}, not to {called!r}.",
            "Give this data set a home of its own with --home, or none for the default.",
        )
    asked = home / "raw" if folder is None else folder.resolve()
    if about.input != asked:
        if name is None:
            raise UsageError(
                f"The home {home} reads its data from {about.input}, not from {asked}.",
                f"If the data set has moved, say so with --name {called}; else give this one a --home of its own.",
            )
        _write(home, json.loads(_read(home)) | {"input": str(asked)})
    return existing_home(home)


def existing_home(home: Path) -> Home:
    """The home at `home`, which must exist.

    Raises:
        UsageError: there is none.
    """
    try:
        about = json.loads(_read(home))
        return Home(home, about["dataset"], about["home_id"], Path(about["input"] or home / "raw"))
    except FileNotFoundError:
        raise UsageError(
            f"There is no home at {home}: no night has run there yet.", _other_homes(home)
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(
            f"{home / 'home.json'} cannot be read ({error}).", "Is this folder really a home of nightly-recs?"
        ) from None


def _other_homes(home: Path) -> str:
    """Those that may have been meant, or how to get one."""
    there = sorted(
        {f"{found.parent}" for place in (home.parent, Path("data")) for found in place.glob("*/home.json")}
    )
    if there:
        return f"Homes at hand: {', '.join(there)}. Name one with --home."
    return "The first night makes one: recs run --dataset FOLDER, or recs run for the demo."


def _make(home: Path, dataset: str, folder: Path | None) -> None:
    try:
        for part in ("raw", "artifacts", "runs", "prefect"):
            (home / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(home, error) from None
    with _lock(home):
        if not (home / "home.json").exists():  # else somebody made it meanwhile
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


def locked(home: Home, who: str = "night") -> AbstractContextManager[None]:
    """Hold a lock of the home. The kernel drops it when this process ends, however it ends.

    Args:
        home: of which one process at a time may be `who`.
        who: `night`, who owns the warehouse, or `tune`, who owns what tuning remembers.

    Raises:
        LockedError: another one holds it.
        UsageError: the home cannot be written.
    """
    return _lock(home.path, who)


def in_use(home: Home) -> bool:
    """Whether a night runs in the home.

    The lock is tried only while the process that last held it, or another of its number, lives: to try it is to hold
    it for an instant, in which a night that begins would be refused.
    """
    try:
        with (home.path / "lock").open(encoding="ascii") as file:
            with suppress(PermissionError):  # it lives, and is somebody else's
                os.kill(int(file.read()), 0)
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return False


@contextmanager
def _lock(home: Path, who: str = "night") -> Iterator[None]:
    file = "lock" if who == "night" else f"{who}.lock"
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
                f"Another {who} is running in {home} (process {holder or 'unknown'}).",
                "Wait for it to end; the lock goes with its process.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
