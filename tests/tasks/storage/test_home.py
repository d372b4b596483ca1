"""A home belongs to one data set, and one night at a time runs in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import LockedError, UsageError
from tasks.storage.home import existing_home, in_use, locked, open_home, read_in_place_of_built_in


def test_a_home_refuses_another_data_set(tmp_path: Path) -> None:
    other = tmp_path / "ml-latest-small"
    other.mkdir()
    open_home("demo", tmp_path / "home")
    with pytest.raises(UsageError, match="belongs to the data set 'demo', not to 'ml-latest-small'"):
        open_home(str(other), tmp_path / "home")
    open_home(str(other), tmp_path / "home2")
    with pytest.raises(UsageError, match="belongs to the data set 'ml-latest-small'"):
        open_home("demo", tmp_path / "home2")


def test_a_home_keeps_its_data_set_home_id_and_id_types(tmp_path: Path) -> None:
    first = open_home("demo", tmp_path / "home")
    assert open_home(None, tmp_path / "home") == first == existing_home(tmp_path / "home")
    assert open_home("demo", tmp_path / "other").home_id != first.home_id
    assert first.id_types() is None
    first.fix_id_types("BIGINT", "TEXT")
    assert first.id_types() == ("BIGINT", "TEXT")


def test_the_data_set_is_called_after_its_folder_unless_named(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert open_home(str(tmp_path / "shop"), tmp_path / "h").dataset == "shop"
    assert open_home(str(tmp_path / "shop"), tmp_path / "h2", name="bookshop").dataset == "bookshop"


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data/stars.csv").write_text("")
    with pytest.raises(UsageError, match="is a file; a folder was expected") as caught:
        open_home(str(tmp_path / "my data/stars.csv"), tmp_path / "home")
    assert f"--dataset '{tmp_path}/my data'" in caught.value.hint
    assert "--set data.ratings.file=stars.csv" in caught.value.hint
    assert not (tmp_path / "home").exists()


def test_an_archive_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ml-1m.zip").write_text("")
    with pytest.raises(UsageError, match="is an archive; a folder was expected") as caught:
        open_home(str(tmp_path / "ml-1m.zip"), tmp_path / "home")
    assert caught.value.hint.startswith("Unpack it")


def test_a_folder_moved_elsewhere_is_accepted_only_with_its_name(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "shop").mkdir(parents=True)
    first = open_home(str(tmp_path / "a" / "shop"), tmp_path / "h")
    with pytest.raises(UsageError, match="reads its data from"):
        open_home(str(tmp_path / "b" / "shop"), tmp_path / "h")
    moved = open_home(str(tmp_path / "b" / "shop"), tmp_path / "h", name="shop")
    assert moved.home_id == first.home_id
    assert existing_home(tmp_path / "h").input == tmp_path / "b" / "shop"


def test_unknown_data_sets_and_homes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no data set"):
        open_home(str(tmp_path / "nowhere"), tmp_path / "home")
    assert not (tmp_path / "home").exists()
    with pytest.raises(UsageError, match="no night has run there"):
        existing_home(tmp_path / "home")


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        open_home("demo", tmp_path / "file" / "home")


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"dataset": 1}', "\x00"])
def test_a_damaged_home_is_refused(tmp_path: Path, text: str) -> None:
    home = open_home("demo", tmp_path / "home").path
    (home / "home.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"home.json cannot be read"):
        open_home(None, home)


def test_the_lock_is_released_when_its_process_is_killed(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    assert not in_use(home), "this process is alive, but has released the lock it held to make the home"
    code = (
        "import sys, time; from pathlib import Path; from tasks.storage.home import existing_home, locked\n"
        f"with locked(existing_home(Path({str(home.path)!r}))): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        assert in_use(home)
        with pytest.raises(LockedError, match=f"process {holder.pid}"), locked(home):
            pass
        holder.kill()
    assert not in_use(home), "the night was killed"
    with locked(home):
        assert in_use(home)


def test_a_missing_home_is_refused_with_the_homes_nearby(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        existing_home(Path("/nowhere"))
    assert "recs run --dataset FOLDER" in caught.value.hint
    open_home("demo", None)
    open_home("ml-25m", Path("elsewhere/ml"))
    with pytest.raises(UsageError) as caught:
        existing_home(Path("elsewhere/nowhere"))
    assert caught.value.hint == "Homes at hand: data/demo, elsewhere/ml. Name one with --home."


def test_a_night_may_run_while_settings_are_tuned(tmp_path: Path) -> None:
    home = open_home("demo", tmp_path / "home")
    with locked(home, "tune"), locked(home):
        assert in_use(home)


def test_a_folder_wins_over_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    offline = open_home("ml-25m", None)  # the download failed: raw/ is empty
    assert offline.input == Path("data/ml-25m/raw")
    (tmp_path / "ml-25m").mkdir()
    for dataset in ("ml-25m", "ml-25m/", "./ml-25m"):
        assert open_home(dataset, None).input == tmp_path / "ml-25m"
    assert read_in_place_of_built_in("ml-25m", open_home("ml-25m", None)) == [
        f"Reads the folder {tmp_path}/ml-25m, not the built-in data set of that name."
    ]
    assert read_in_place_of_built_in("./ml-25m", open_home("ml-25m", None)) == []


def test_a_downloaded_data_set_stays_when_a_folder_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = open_home("ml-25m", None)
    (home.input / "ratings.csv").touch()
    (tmp_path / "ml-25m").mkdir()
    assert open_home("ml-25m", None).input == home.input
    assert "is the folder of that name" in read_in_place_of_built_in("ml-25m", home)[0]
    with pytest.raises(UsageError, match="reads its data from data/ml-25m/raw, not from"):
        open_home("./ml-25m", None)


def test_a_folder_called_demo_is_no_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert open_home(None, None).input == Path("data/demo/raw")
