"""Download MovieLens data sets from GroupLens, verify and unpack them.

Harper & Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015. GroupLens permits
research use under the conditions in each README.txt, which is kept with the data.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx

from models.base import Progress
from tasks.datasets.atomic_folder import atomic_folder
from tasks.errors import NightError, UsageError

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
FILES = ("ratings.csv", "tags.csv", "movies.csv", "links.csv", "README.txt")
RETRY_DELAYS = (1.0, 4.0, 15.0)
_CHUNK = 1 << 20
_MD5 = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Dataset:
    """A published archive.

    Attributes:
        md5: the published checksum, pinned; None for an archive that GroupLens may regenerate: its checksum is
            downloaded with it.
        max_zip, max_files: the largest sizes in bytes of the archive and of its unpacked files.
    """

    md5: str | None
    max_zip: int
    max_files: int


_MB = 1_000_000
DATASETS = {
    "ml-latest-small": Dataset(None, 20 * _MB, 100 * _MB),
    "ml-25m": Dataset("6b51fb2759a8657d3bfcbfc42b592ada", 300 * _MB, 1_500 * _MB),
    "ml-32m": Dataset("d472be332d4daa821edc399621853b57", 300 * _MB, 1_500 * _MB),
}


def fetch(
    name: str,
    folder: Path,
    *,
    base_url: str = GROUPLENS,
    retry_delays: Sequence[float] = RETRY_DELAYS,
    progress: Progress | None = None,
) -> Path:
    """Download data set `name` into `folder`, unless it is there already; return `folder`.

    The folder appears complete or not at all. An interrupted download resumes where it stopped, also in a later call:
    its beginning is kept beside the folder as `.<name>.zip.part`.

    Args:
        name: one of `DATASETS`.
        folder: to hold `FILES`.
        base_url: the address that has `<name>.zip` and `<name>.zip.md5`.
        retry_delays: seconds to wait before each further attempt after a network error.
        progress: called as progress(bytes done, bytes in all).

    Raises:
        UsageError: unknown name, or `folder` holds anything but the whole data set.
        NightError: no network, wrong checksum, an unexpected or unsafe archive, or no space.
    """
    if name not in DATASETS:
        raise UsageError(f"there is no data set {name!r}", f"Choose one of {', '.join(DATASETS)}.")
    if all((folder / file).is_file() for file in FILES):
        return folder
    dataset, url = DATASETS[name], f"{base_url}/{name}.zip"
    with atomic_folder(folder) as fresh:
        part = folder.parent / f".{name}.zip.part"
        download = _Download(url, part, dataset.max_zip, progress)
        with _client() as client:
            md5 = dataset.md5 or _published_md5(client, f"{url}.md5", retry_delays)
            download.run(client, retry_delays)
        try:
            _verify(part, md5, url)
            _unzip(part, name, fresh, dataset.max_files)
        except NightError:
            download.forget()
            raise
    download.forget()
    return folder


def _client() -> httpx.Client:
    """Return a client that takes the proxies of the environment.

    Raises:
        NightError: one of them cannot be used: httpx does not know its kind, or it is misspelt.
    """
    try:
        return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60, connect=15))
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise NightError(
            f"a proxy of the environment cannot be used: {str(error).rstrip('.')}",
            "Mend or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY. "
            "A SOCKS proxy needs a package: pip install httpx[socks].",
        ) from error


class _Download:
    """A resumable download: received bytes stay in `part`, with the server's validator beside it, until `forget`."""

    def __init__(self, url: str, part: Path, max_bytes: int, progress: Progress | None) -> None:
        self.url, self.part, self.max_bytes, self.progress = url, part, max_bytes, progress
        self.validator = part.with_name(f"{part.name}.etag")

    def run(self, client: httpx.Client, retry_delays: Sequence[float]) -> None:
        """Download the whole file; after errors, resume where the last attempt stopped."""
        _retrying(lambda: self._attempt(client), self.url, retry_delays)

    def forget(self) -> None:
        """Remove the received bytes: they have been used, or are wrong."""
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def _attempt(self, client: httpx.Client) -> None:
        with client.stream("GET", self.url, headers=self._resume_headers()) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.forget()
                raise httpx.ReadError("the beginning kept from last time does not fit the file")
            answer.raise_for_status()
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            done = self.part.stat().st_size if goes_on else 0
            total = done + int(answer.headers.get("content-length", 0))
            self._note_validator(answer)
            with self.part.open("ab" if goes_on else "wb") as file:
                for chunk in (
                    answer.iter_raw()
                ):  # without a chunk size: chunks held back would be lost when the connection breaks
                    done += len(chunk)
                    if max(done, total) > self.max_bytes:
                        raise NightError(
                            f"{self.url} is larger than {self.max_bytes // _MB} MB, which cannot be right",
                            "Check the address; nothing was unpacked.",
                        )
                    file.write(chunk)
                    if self.progress:
                        self.progress(done, max(done, total))

    def _resume_headers(self) -> dict[str, str]:
        """Headers that ask for the rest if the server still has the same version (RFC 9110, 13.1.5)."""
        headers = {"accept-encoding": "identity"}
        if self.part.is_file() and self.part.stat().st_size and self.validator.is_file():
            headers["range"] = f"bytes={self.part.stat().st_size}-"
            headers["if-range"] = self.validator.read_text(encoding="ascii")
        return headers

    def _note_validator(self, answer: httpx.Response) -> None:
        etag = answer.headers.get("etag", "")
        validator = answer.headers.get("last-modified", "") if etag.startswith("W/") or not etag else etag
        if validator:
            self.validator.write_text(validator, encoding="ascii")
        else:
            self.validator.unlink(missing_ok=True)


def _published_md5(client: httpx.Client, url: str, retry_delays: Sequence[float]) -> str:
    """Return the checksum that GroupLens publishes beside an archive: 'MD5 (name) = …' or '…  name'."""
    found: list[str] = []

    def ask() -> None:
        answer = client.get(url)
        answer.raise_for_status()
        found[:] = _MD5.findall(answer.text.lower())

    _retrying(ask, url, retry_delays)
    if len(found) != 1:
        raise NightError(f"{url} holds no MD5 checksum", "Try again later; nothing was unpacked.")
    return found[0]


def _retrying(attempt: Callable[[], None], url: str, retry_delays: Sequence[float]) -> None:
    """Call `attempt` until it succeeds, waiting in between; retry only after errors that may pass."""
    for delay in (*retry_delays, None):
        try:
            return attempt()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if delay is None or (status < 500 and status != httpx.codes.TOO_MANY_REQUESTS):
                raise NightError(
                    f"{url} answered {status} {error.response.reason_phrase}",
                    "Try again later, or download it yourself and give `recs run --dataset` its folder.",
                ) from error
        except httpx.TransportError as error:
            if delay is None:
                raise NightError(
                    f"cannot download {url}: {str(error) or type(error).__name__}",
                    "Check the network and run the command again: it goes on where it stopped. Without a network, "
                    "use the data set `demo`, or unzip a copy from elsewhere: recs run --dataset FOLDER.",
                ) from error
        time.sleep(delay)
    return None


def _verify(path: Path, md5: str, url: str) -> None:
    """Raise unless the file has the published MD5. It detects damage; against forgery there is only https."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise NightError(
            f"{url} arrived with checksum {found}, but {md5} is published",
            "The download was removed: run the command again.",
        )


def _unzip(archive: Path, name: str, folder: Path, max_bytes: int) -> None:
    """Write `FILES` from the archive's folder `name` into `folder`; nothing from an unsafe archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {member.filename: member for member in opened.infolist()}
            for member in members.values():
                _refuse_unsafe(member)
            missing = [file for file in FILES if f"{name}/{file}" not in members]
            if missing:
                raise NightError(
                    f"{name}.zip holds no {missing[0]}", "It is not the archive that was expected."
                )
            wanted = {file: members[f"{name}/{file}"] for file in FILES}
            if sum(member.file_size for member in wanted.values()) > max_bytes:
                raise NightError(
                    f"{name}.zip would unpack to more than {max_bytes // _MB} MB, which cannot be right",
                    "Check the address; nothing was unpacked.",
                )
            for file, member in wanted.items():
                with opened.open(member) as packed, (folder / file).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise NightError(f"{name}.zip is damaged: {error}", "Run the command again.") from error


def _refuse_unsafe(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise NightError(
            f"the archive holds {member.filename!r}, which points outside its folder",
            "Do not use this archive; check the address it came from.",
        )
