"""Downloads from a real HTTP server on this machine: whole, interrupted, damaged, hostile and absent."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.datasets import movielens
from tasks.datasets.movielens import FILES, Dataset, fetch
from tasks.errors import NightError, UsageError

NAME = "ml-latest-small"
CONTENTS = {name: f"{name}\n".encode() * 20_000 for name in FILES}
NO_WAIT = (0.0, 0.0)


class Server(ThreadingHTTPServer):
    """Serves `files` with ETag and Range, and fails as `cut_after` and `failures` ask."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut_after: list[int] = []  # one answer each: bytes sent before the connection breaks
        self.failures: list[int] = []  # one answer each: a status instead of the file
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish(self, archive: bytes, md5: str | None = None) -> None:
        md5 = md5 or hashlib.md5(archive).hexdigest()
        self.files = {
            f"/{NAME}.zip": archive,
            f"/{NAME}.zip.md5": f"MD5 ({NAME}.zip) = {md5}\n".encode(),
        }


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("range")))
        body = self.server.files.get(self.path)
        if body is None or self.server.failures:
            return self.send_error(404 if body is None else self.server.failures.pop(0))
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        start = 0
        if self.headers.get("if-range") == etag:
            start = int(self.headers["range"].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("etag", etag)
        self.send_header("content-length", str(len(body) - start))
        self.end_headers()
        cut = self.server.cut_after.pop(0) if self.path.endswith(".zip") and self.server.cut_after else None
        self.wfile.write(body[start : start + cut] if cut else body[start:])
        self.close_connection = True
        return None

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def archive(extra: dict[str | zipfile.ZipInfo, bytes] | None = None, leave_out: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in CONTENTS.items():
            if name != leave_out:
                packed.writestr(f"{NAME}/{name}", content)
        packed.writestr(f"{NAME}/genome-scores.csv", b"not needed")
        for member, content in (extra or {}).items():
            packed.writestr(member, content)
    return buffer.getvalue()


def assert_complete(folder: Path) -> None:
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], (
        "nothing is left beside the folder"
    )


def test_only_the_files_of_a_night_are_fetched(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    calls: list[tuple[int, int]] = []
    folder = fetch(NAME, tmp_path / NAME, base_url=server.url, progress=lambda *done: calls.append(done))
    assert_complete(folder)
    size = len(server.files[f"/{NAME}.zip"])
    assert calls[-1] == (size, size)
    assert calls == sorted(calls)


def test_existing_files_are_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    fetch(NAME, tmp_path / NAME, base_url=server.url)
    asked = len(server.asked)
    fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert len(server.asked) == asked


def test_an_interrupted_download_resumes(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    server.cut_after = [100_000, 50_000]
    folder = fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=NO_WAIT)
    ranges = [wanted for path, wanted in server.asked if path.endswith(".zip")]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert_complete(folder)


def test_an_interrupted_download_resumes_in_a_later_call(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    server.cut_after = [100_000]
    with pytest.raises(NightError, match="cannot download") as caught:
        fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=())
    assert "goes on where it stopped" in caught.value.hint
    assert not (tmp_path / NAME).exists()
    fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert server.asked[-1] == (f"/{NAME}.zip", "bytes=100000-")
    assert_complete(tmp_path / NAME)


def test_download_restarts_when_the_server_has_a_newer_version(server: Server, tmp_path: Path) -> None:
    server.publish(archive({"old.txt": b"an older version"}))
    server.cut_after = [100_000]
    with pytest.raises(NightError):
        fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=())
    server.publish(archive())
    assert_complete(fetch(NAME, tmp_path / NAME, base_url=server.url))


def test_transient_server_errors_are_retried(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    server.failures = [503, 429]
    assert_complete(fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=NO_WAIT))


@pytest.mark.parametrize("status", [403, 500])
def test_lasting_server_errors_are_reported(server: Server, tmp_path: Path, status: int) -> None:
    server.publish(archive())
    server.failures = [status] * 9
    with pytest.raises(NightError, match=f"answered {status}"):
        fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=NO_WAIT)
    assert len(server.failures) == (8 if status == 403 else 6), "only what may pass is tried again"


def test_an_absent_archive_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(NightError, match="answered 404 Not Found"):
        fetch(NAME, tmp_path / NAME, base_url=server.url, retry_delays=NO_WAIT)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_an_error_that_names_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(NightError, match="cannot download") as caught:
        fetch("ml-25m", tmp_path / "ml-25m", base_url="http://127.0.0.1:9", retry_delays=NO_WAIT)
    assert "demo" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_wrong_checksum_is_deleted(server: Server, tmp_path: Path) -> None:
    server.publish(archive(), md5="0" * 32)
    with pytest.raises(NightError, match=r"but 0{32} is published"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_a_pinned_checksum_is_not_downloaded(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish(archive())
    monkeypatch.setitem(movielens.DATASETS, NAME, Dataset("f" * 32, 10**7, 10**7))
    with pytest.raises(NightError, match=r"but f{32} is published"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert [path for path, _ in server.asked] == [f"/{NAME}.zip"]


def test_a_checksum_file_without_checksum_is_an_error(server: Server, tmp_path: Path) -> None:
    server.publish(archive())
    server.files[f"/{NAME}.zip.md5"] = b"<html>moved</html>"
    with pytest.raises(NightError, match="holds no MD5 checksum"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)


def link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(f"{NAME}/link.csv")
    member.external_attr = 0o120777 << 16
    return member


@pytest.mark.parametrize(
    "member", ["/etc/cron.d/evil", f"{NAME}/../../evil.csv", "C:\\evil.csv", link()], ids=str
)
def test_an_unsafe_archive_is_refused(server: Server, tmp_path: Path, member: str | zipfile.ZipInfo) -> None:
    server.publish(archive({member: b"evil"}))
    with pytest.raises(NightError, match="points outside its folder"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [((1000, 10**7), "is larger than"), ((10**7, 1000), "would unpack to more than")],
    ids=["archive", "contents"],
)
def test_oversized_archive_is_refused(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    message: str,
) -> None:
    server.publish(archive())
    monkeypatch.setitem(movielens.DATASETS, NAME, Dataset(None, *limits))
    with pytest.raises(NightError, match=message):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert not (tmp_path / NAME).exists()


def test_incomplete_archive_is_refused(server: Server, tmp_path: Path) -> None:
    server.publish(archive(leave_out="movies.csv"))
    with pytest.raises(NightError, match=r"holds no movies\.csv"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoil", ["not a zip", "bad crc"])
def test_a_damaged_archive_is_refused_when_checksum_fits(server: Server, tmp_path: Path, spoil: str) -> None:
    whole = archive()
    server.publish(b"<html>" if spoil == "not a zip" else whole.replace(b"tags.csv\ntags", b"tags.csv\nTAGS"))
    with pytest.raises(NightError, match="is damaged"):
        fetch(NAME, tmp_path / NAME, base_url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_and_occupied_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set 'ml-100m'") as caught:
        fetch("ml-100m", tmp_path / "x")
    assert "ml-25m" in caught.value.hint
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds thesis\.txt"):
        fetch(NAME, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("proxy", ["socks4://proxy:1", "http://proxy:port"])
def test_a_proxy_that_cannot_be_used_is_named(
    proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.delenv("all_proxy", raising=False)
    with pytest.raises(NightError, match="a proxy of the environment cannot be used") as caught:
        fetch(NAME, tmp_path / "raw")
    assert "unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY" in caught.value.hint


def test_a_download_takes_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(NightError):
            fetch(NAME, tmp_path / "raw", base_url="http://datasets.invalid", retry_delays=())
        proxy.shutdown()
    assert proxy.asked


def test_a_download_without_a_network_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NightError, match="cannot download") as caught:
        fetch(NAME, tmp_path / "raw", base_url="http://127.0.0.1:9", retry_delays=())
    assert "recs run --dataset FOLDER" in caught.value.hint
