"""Artifacts at an address of fsspec: whole or not at all, compared with their digests, removed with those here."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from tasks.errors import TransientError, UsageError
from tasks.storage.artifact_store import Store
from tasks.storage.remote_store import RemoteStore, require_protocol


@dataclass(frozen=True)
class Thing:
    key: str
    folder: Path
    rows: int


def build(folder: Path) -> Thing:
    (folder / "parts").mkdir()
    (folder / "parts/rows.txt").write_text("one\ntwo\n")
    (folder / "about.txt").write_text("two rows")
    return Thing("k", folder, 2)


@pytest.fixture(params=["memory", "file"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> RemoteStore:
    place = tmp_path / "bucket" if request.param == "file" else f"recs-{uuid4().hex}"
    return RemoteStore(f"{request.param}://{place}")


def files_at(remote: RemoteStore) -> list[str]:
    fs, root = fsspec.core.url_to_fs(remote.address)
    return sorted(path.removeprefix(root).strip("/") for path in fs.find(root))


def test_another_machine_finds_what_this_one_made(remote: RemoteStore, tmp_path: Path) -> None:
    made = Store(tmp_path / "a", remote).make("fit", "k", build)
    assert files_at(remote) == ["fit/k/about.txt", "fit/k/manifest.json", "fit/k/parts/rows.txt"]
    other = Store(tmp_path / "b", pickle.loads(pickle.dumps(remote)))
    assert other.names() == ["fit/k"]
    found = other.find("fit", "k", Thing)
    assert found == Thing("k", tmp_path / "b/fit/k", made.rows)
    assert (found.folder / "parts/rows.txt").read_text() == "one\ntwo\n"
    assert [path.name for path in (tmp_path / "b/fit").iterdir()] == ["k"]
    assert other.find("fit", "other", Thing) is None


def test_the_manifest_is_uploaded_last(remote: RemoteStore, tmp_path: Path, monkeypatch) -> None:
    store, puts = Store(tmp_path, remote), []
    fs, _ = fsspec.core.url_to_fs(remote.address)
    original = type(fs).put_file

    def put_file(self: object, here: str, there: str, *args: object, **kwargs: object) -> None:
        puts.append(there.rpartition("/")[2])
        original(self, here, there, *args, **kwargs)

    monkeypatch.setattr(type(fs), "put_file", put_file)
    store.make("fit", "k", build)
    assert puts == ["about.txt", "rows.txt", "manifest.json"]


def test_a_killed_upload_is_not_found_and_made_up_for(remote: RemoteStore, tmp_path: Path) -> None:
    store = Store(tmp_path / "a", remote)
    store.make("fit", "k", build)
    fs, root = fsspec.core.url_to_fs(remote.address)
    fs.rm_file(f"{root}/fit/k/manifest.json")
    remote.send(tmp_path / "a/fit/k", "fit/.making-old")
    other = Store(tmp_path / "b", remote)
    assert other.find("fit", "k", Thing) is None
    store.sweep()
    assert files_at(remote) == ["fit/k/about.txt", "fit/k/manifest.json", "fit/k/parts/rows.txt"]
    assert other.find("fit", "k", Thing) is not None


@pytest.mark.parametrize("damage", [b"other", None])
def test_a_damaged_remote_artifact_is_not_found(remote: RemoteStore, tmp_path: Path, damage) -> None:
    Store(tmp_path / "a", remote).make("fit", "k", build)
    fs, root = fsspec.core.url_to_fs(remote.address)
    fs.rm_file(f"{root}/fit/k/about.txt") if damage is None else fs.pipe_file(
        f"{root}/fit/k/about.txt", damage
    )
    assert Store(tmp_path / "b", remote).find("fit", "k", Thing) is None
    assert list((tmp_path / "b/fit").iterdir()) == [], "nothing half fetched is left"


def test_a_damaged_file_here_is_fetched_again(remote: RemoteStore, tmp_path: Path) -> None:
    store = Store(tmp_path, remote)
    made = store.make("fit", "k", build)
    (made.folder / "about.txt").write_text("damaged")
    assert store.find("fit", "k", Thing) == made
    assert (made.folder / "about.txt").read_text() == "two rows"


def test_what_no_run_holds_goes_on_both_sides(remote: RemoteStore, tmp_path: Path) -> None:
    store = Store(tmp_path / "a", remote)
    for key in ("kept", "old", "lost"):
        store.make("fit", key, build)
    store.checkpoints("fit", "old").mkdir()
    elsewhere = Store(tmp_path / "b", remote)
    assert elsewhere.keep_only({"fit/kept", "fit/old"}) == ["fit/lost"]
    assert store.keep_only({"fit/kept"}) == ["fit/.checkpoint-old", "fit/lost", "fit/old"]
    assert store.names() == ["fit/kept"]
    assert {name.split("/")[1] for name in files_at(remote)} == {"kept"}


def test_files_of_workers_are_moved_and_not_sent_again(
    remote: RemoteStore, tmp_path: Path, monkeypatch
) -> None:
    store, worker = Store(tmp_path / "a", remote), tmp_path / "worker"
    worker.mkdir()
    thing = build(worker)

    def fit_elsewhere(folder: Path) -> Thing:
        remote.send(worker, f"fit/{folder.name}")
        remote.receive(f"fit/{folder.name}", folder)
        return thing

    sent = []
    fs, _ = fsspec.core.url_to_fs(remote.address)
    original = type(fs).mv

    def mv(self: object, source: str, target: str, **kwargs: object) -> None:
        sent.append(target.rpartition("/")[2])
        original(self, source, target, **kwargs)

    monkeypatch.setattr(type(fs), "mv", mv)
    made = store.make("fit", "k", fit_elsewhere)
    assert (made.folder / "parts/rows.txt").read_text() == "one\ntwo\n"
    assert sent == ["about.txt", "rows.txt"]
    assert files_at(remote) == ["fit/k/about.txt", "fit/k/manifest.json", "fit/k/parts/rows.txt"]
    assert Store(tmp_path / "b", remote).find("fit", "k", Thing) is not None


def test_blocks_leave_the_address_when_they_arrive(remote: RemoteStore, tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    for name in ("0.arrow", "1.arrow"):
        (tmp_path / "sent" / name).write_text(name)
    remote.send(tmp_path / "sent", "fit/.making-k/.blocks")
    remote.receive("fit/.making-k/.blocks", tmp_path / "night", ["1.arrow"])
    assert [path.name for path in (tmp_path / "night").iterdir()] == ["1.arrow"]
    assert files_at(remote) == ["fit/.making-k/.blocks/0.arrow"]


@pytest.mark.parametrize(
    ("address", "fault", "hint"),
    [
        ("nowhere://bucket/recs", "unknown protocol, 'nowhere'", "file, s3, gs"),
        ("absent://bucket/recs", "not installed: Install absent_fs to", "workers: pip install absent_fs"),
    ],
)
def test_protocols_that_cannot_be_used_are_refused(address: str, fault: str, hint: str, monkeypatch) -> None:
    known = {"class": "absent_fs.FileSystem", "err": "Install absent_fs to access it"}
    monkeypatch.setitem(known_implementations, "absent", known)
    with pytest.raises(UsageError, match=fault) as caught:
        require_protocol(address)
    assert hint in caught.value.hint


class NoCredentialsError(Exception):
    """As botocore's."""


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (PermissionError("Access Denied"), UsageError),
        (NoCredentialsError("Unable to locate credentials"), UsageError),
        (ConnectionError("No route to host"), TransientError),
    ],
)
def test_an_address_that_cannot_be_written_is_refused(fault: Exception, raised: type, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(raised, match=f"cannot be written: {type(fault).__name__}: {fault}") as caught:
        RemoteStore("memory://closed").check()
    assert "AWS_PROFILE" in caught.value.hint


def test_an_address_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written: (FileExistsError|NotADirectoryError)"):
        RemoteStore(f"file://{tmp_path}/file/recs").check()


def test_a_check_leaves_nothing(remote: RemoteStore) -> None:
    remote.check()
    assert files_at(remote) == []


def test_a_bucket_that_does_not_exist_is_not_made(monkeypatch) -> None:
    """The paths of object stores begin with the bucket, which `makedirs` of some packages creates."""
    made: list[str] = []
    monkeypatch.setattr(MemoryFileSystem, "_strip_protocol", lambda path: path.removeprefix("memory://"))
    monkeypatch.setattr(MemoryFileSystem, "exists", lambda self, path: path != "bukcet")
    monkeypatch.setattr(MemoryFileSystem, "makedirs", lambda self, path, exist_ok: made.append(path))
    with pytest.raises(UsageError, match="FileNotFoundError: there is no 'bukcet'"):
        RemoteStore("memory://bukcet/recs").check()
    assert made == []
