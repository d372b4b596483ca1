"""Commands about settings and SQL: `init`, `settings`, `sql`, and `--version`."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.flows.cli.invoke import invoke


def test_init_writes_what_was_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.csv").write_text("no,customer,sku\n1,a,x\n")
    said = invoke("init", "--data", "shop")
    assert "orders.csv → events: user = customer, item = sku; not read: no" in said
    assert "Every row counts as a purchase" in said
    assert said.splitlines()[-1] == "Next: recs run --dataset shop"
    shown = invoke("settings", "--changed")
    line = next(row for row in shown.splitlines() if row.startswith("data.events.user "))
    number = int(line.rpartition(":")[2])
    assert '"customer"' in line
    assert Path("pipeline.toml").read_text().splitlines()[number - 1].startswith('user = "customer"')


def test_init_names_a_file_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        invoke("init", "sub").splitlines()[-1] == "Next: recs run --dataset FOLDER --config sub/pipeline.toml"
    )


def test_settings_are_one_json_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(invoke("settings", "split", "--json", "--set", "split.min_users=7"))
    assert {"name": "split.min_users", "value": 7, "origin": "--set"} in found
    assert {each["name"].partition(".")[0] for each in found} == {"split"}
    assert invoke("settings", "--changed").strip() == "Every setting has its default value."


def test_queries_are_listed_and_printed() -> None:
    assert ":user :n :segment" in invoke("sql")
    login = Path(__file__).parents[3] / "sql" / "serving" / "login.sql"
    assert invoke("sql", "login") == login.read_text()


def test_the_version_is_shown() -> None:
    assert invoke("--version").strip() == f"recs {version('nightly-recs')}"
