"""Finished artifacts at an address of fsspec, such as `s3://bucket/recs`: `<stage>/<key>/`, the manifest written last.

Files without a manifest beside them are what a killed upload left: they are never read, and `remove_unfinished` removes
them. What is fetched is compared with the digests of its manifest before it is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tasks.errors import TransientError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MANIFEST = "manifest.json"
HALF_MADE, FETCHING, CHECKPOINT = ".making-", ".fetching-", ".checkpoint-"
"""How the names of folders begin that hold no finished artifact."""
_LASTING = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, ValueError)
"""Errors of the packages for protocols that another try will not mend."""


def is_address(place: str) -> bool:
    """Return whether a place for artifacts is an address of fsspec, and not the path of a folder."""
    return "://" in place


def require_protocol(address: str) -> None:
    """Raise a UsageError if fsspec does not know the protocol of an address, or if its package is not installed."""
    from fsspec.registry import get_filesystem_class, known_implementations  # noqa: PLC0415  (few homes need it)

    protocol = address.partition("://")[0]
    try:
        get_filesystem_class(protocol)
    except ValueError:
        raise UsageError(
            f"{address} has an unknown protocol, {protocol!r}.",
            "Known ones are file, s3, gs, abfs and the others of fsspec; or name a folder by its absolute path: "
            "engine.artifacts.",
        ) from None
    except ImportError as error:
        package = known_implementations[protocol]["class"].partition(".")[0]
        own = package == "fsspec"  # what else it needs, the error says
        raise UsageError(
            f"Artifacts at {address} need a package that is not installed: {str(error).rstrip('.')}.",
            "Install it here and on all workers" + ("." if own else f": pip install {package}"),
        ) from None


@dataclass(frozen=True)
class RemoteStore:
    """The artifacts at an address. It can be pickled, and equal addresses are equal.

    Attributes:
        address: of fsspec, without user and password: packages read these from their own files and variables.
    """

    address: str

    def names(self) -> dict[str, bool]:
        """Return 'stage/key' of every artifact, and whether it is finished."""
        with self._explained("listed"):
            fs, root = self._open()
            fs.invalidate_cache()
            files = fs.find(root) if fs.exists(root) else []
        parts = [path.removeprefix(root).strip("/").split("/") for path in files]
        found: dict[str, bool] = {}
        for stage, key, *rest in (each for each in parts if len(each) > 2):
            name = f"{stage}/{key}"
            found[name] = found.get(name, False) or (rest == [MANIFEST] and not key.startswith("."))
        return found

    def has(self, name: str) -> bool:
        """Return whether the artifact 'stage/key' is finished."""
        with self._explained("read"):
            fs, root = self._open()
            fs.invalidate_cache()
            return bool(fs.exists(f"{root}/{name}/{MANIFEST}"))

    def put(self, folder: Path, name: str) -> None:
        """Upload a finished artifact: its files, then its manifest.

        Files that workers have sent for it are taken from there if they are as large.

        Args:
            folder: where it lies, with its manifest.
            name: 'stage/key'.
        """
        if self.has(name):  # a damaged one: without its manifest nobody reads it meanwhile
            self.remove(name)
        stage, _, key = name.partition("/")
        sent = self._sizes(f"{stage}/{HALF_MADE}{key}")
        with self._explained("written"):
            fs, root = self._open()
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                file = path.relative_to(folder).as_posix()
                if file == MANIFEST:
                    continue
                target = f"{root}/{name}/{file}"
                fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                if sent.get(file) == path.stat().st_size:
                    fs.mv(f"{root}/{stage}/{HALF_MADE}{key}/{file}", target)
                else:
                    fs.put_file(str(path), target)
            fs.put_file(str(folder / MANIFEST), f"{root}/{name}/{MANIFEST}")
        self.remove(f"{stage}/{HALF_MADE}{key}")

    def get(self, name: str, folder: Path) -> bool:
        """Fetch a finished artifact; `folder` appears as a whole, after its files were compared with their digests.

        Args:
            name: 'stage/key'.
            folder: where to put it; replaced if it exists.

        Returns:
            Whether there is one, and it is undamaged.
        """
        arriving = folder.with_name(f"{FETCHING}{uuid4().hex[:12]}")
        try:
            with self._explained("read"):
                fs, root = self._open()
                fs.invalidate_cache()
                try:
                    manifest = json.loads(fs.cat_file(f"{root}/{name}/{MANIFEST}"))
                    for file in (*manifest["files"], MANIFEST):
                        (arriving / file).parent.mkdir(parents=True, exist_ok=True)
                        fs.get_file(f"{root}/{name}/{file}", str(arriving / file))
                except FileNotFoundError:
                    return False
            if any(_digest(arriving / file) != digest for file, digest in manifest["files"].items()):
                return False
            shutil.rmtree(folder, ignore_errors=True)
            arriving.rename(folder)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return True

    def remove(self, name: str) -> None:
        """Remove an artifact, or what there is of it; the manifest goes first."""
        with self._explained("written"):
            fs, root = self._open()
            fs.invalidate_cache()
            for path in (f"{root}/{name}/{MANIFEST}", f"{root}/{name}"):
                if fs.exists(path):
                    fs.rm(path, recursive=True)

    def clear(self) -> None:
        """Remove all artifacts."""
        for name in self.names():
            self.remove(name)

    def remove_unfinished(self) -> None:
        """Remove what killed uploads and killed workers left."""
        for name, is_finished in self.names().items():
            if not is_finished:
                self.remove(name)

    def send(self, folder: Path, name: str) -> None:
        """Upload what a worker has written into a folder for `name`, an unfinished artifact."""
        with self._explained("written"):
            fs, root = self._open()
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                target = f"{root}/{name}/{path.relative_to(folder).as_posix()}"
                fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                fs.put_file(str(path), target)

    def receive(self, name: str, folder: Path, files: Iterable[str] | None = None) -> None:
        """Fetch what workers have sent for `name`, an unfinished artifact.

        Args:
            name: 'stage/.making-key'.
            folder: where to put it.
            files: which files, which are removed there; None for all, which stay for `put`.
        """
        wanted = self._sizes(name) if files is None else files
        with self._explained("read"):
            fs, root = self._open()
            for file in wanted:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                fs.get_file(f"{root}/{name}/{file}", str(folder / file))
                if files is not None:
                    fs.rm_file(f"{root}/{name}/{file}")

    def check(self) -> None:
        """Write, read and remove a small file.

        Raises:
            UsageError: the protocol is unknown or not installed, or the address cannot be written to.
            TransientError: the address does not answer.
        """
        require_protocol(self.address)
        name = f".check-{uuid4().hex[:12]}"
        try:
            with self._explained("written"):
                fs, root = self._open()
                bucket = root.partition("/")[0]  # empty for paths: makedirs may make a folder, but no bucket
                if bucket and not fs.exists(bucket):
                    raise FileNotFoundError(f"there is no {bucket!r}")
                fs.makedirs(root, exist_ok=True)
                fs.pipe_file(f"{root}/{name}", b"nightly-recs")
                fs.cat_file(f"{root}/{name}")
                fs.rm_file(f"{root}/{name}")
        except TransientError as error:
            cause = error.__cause__
            if isinstance(cause, _LASTING) or "Credentials" in type(cause).__name__:
                raise UsageError(str(error), error.hint) from cause
            raise

    def _sizes(self, name: str) -> dict[str, int]:
        """Return the files of an artifact, finished or not, with their sizes in bytes."""
        with self._explained("read"):
            fs, root = self._open()
            fs.invalidate_cache()
            if not fs.exists(f"{root}/{name}"):
                return {}
            found = fs.find(f"{root}/{name}", detail=True)
        start = len(f"{root}/{name}/")
        return {path[start:]: about["size"] for path, about in found.items()}

    def _open(self) -> tuple[AbstractFileSystem, str]:
        """Return the file system and the path in it; fsspec keeps one connection for each address."""
        from fsspec.core import url_to_fs  # noqa: PLC0415  (few homes need it)

        fs, root = url_to_fs(self.address)
        return fs, root.rstrip("/")

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each package has errors of its own
            words = (str(error).strip().splitlines() or [""])[0].rstrip(".") or type(error).__name__
            raise TransientError(
                f"The artifacts at {self.address} cannot be {done}: {type(error).__name__}: {words}.",
                "Is the address right (engine.artifacts), and may this user write there? Keys and passwords come "
                "from the variables and files of the package for its protocol, such as AWS_PROFILE.",
            ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
