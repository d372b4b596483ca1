"""A new settings file: the shipped one with own values, its comments kept, never over another one."""

import tomllib
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.config.new_file import SHIPPED, with_values, write_settings_file
from tasks.errors import UsageError


def test_a_written_file_is_the_shipped_one(tmp_path: Path) -> None:
    path = write_settings_file(tmp_path / "new", {})
    assert path.read_text() == SHIPPED.read_text()


def test_values_replace_the_defaults_of_their_table(tmp_path: Path) -> None:
    values = {"data.ratings": {"file": "stars.csv", "user": 'u"é'}, "data.items": {"attributes": ["a", "b"]}}
    path = write_settings_file(tmp_path, values)
    data = load_settings(path).data
    assert (data.ratings.file, data.ratings.user, data.tags.user) == ("stars.csv", 'u"é', "userId")
    assert data.items.attributes == ("a", "b")
    comments = [line.partition("  #")[2] for line in SHIPPED.read_text().splitlines() if "  #" in line]
    assert all(f"#{comment}" in path.read_text() for comment in comments)


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    write_settings_file(tmp_path, {"split": {"method": "leave_last"}})
    with pytest.raises(UsageError, match=r"pipeline\.toml is there already"):
        write_settings_file(tmp_path, {})
    assert tomllib.loads((tmp_path / "pipeline.toml").read_text())["split"]["method"] == "leave_last"
    write_settings_file(tmp_path, {}, force=True)
    assert tomllib.loads((tmp_path / "pipeline.toml").read_text())["split"]["method"] == "auto"


def test_a_value_without_a_line_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"no line for data\.ratings\.usr"):
        with_values(SHIPPED.read_text(), {"data.ratings": {"usr": "x"}})


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write_settings_file(tmp_path / "file", {})
