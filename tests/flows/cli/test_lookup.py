"""Commands that only read: `show`, `similar`, `runs`, `report`. `compare` and pages: tests/flows/test_page.py."""

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from models.base import Recommender
from models.linear.ease import EASE
from tasks.errors import UsageError
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import RunNight
from tests.tasks.export.stored import home_with_run, publish_lists


def test_lists_nights_and_figures_are_shown(run_plain: RunNight, home: Home) -> None:
    outcome = run_plain(home)
    where = ("--home", home.path)
    shown = invoke("show", "1", "-n", "5", *where)
    assert "User 1 liked" in shown
    assert f"Recommended in run {outcome.run.run_id}" in shown
    assert "There is no list for user 999999" in invoke("show", "999999", *where)
    assert "Most like" in invoke("similar", "1", *where)
    assert "live" in invoke("runs", *where)
    figures = invoke("report", *where)
    for expected in (
        "Input, row by row",
        "Models on the report half",
        "Protocol:",
        "Champion",
        "sqlite3",
        "recommend",
    ):
        assert expected in figures


def test_json_documents_stand_for_the_tables(run_plain: RunNight, home: Home) -> None:
    outcome = run_plain(home)
    where, run_id = ("--json", "--home", home.path), outcome.run.run_id
    shown = json.loads(invoke("show", "1", "-n", "5", *where))
    assert shown["run_id"] == run_id
    assert [row["rank"] for row in shown["rows"]] == [1, 2, 3, 4, 5]
    newest = json.loads(invoke("runs", *where))[0]
    assert (newest["run_id"], newest["status"], newest["live"]) == (run_id, "published", True)
    figures = json.loads(invoke("report", *where))
    assert figures["is_live"]
    assert figures["run"]["champion"] == outcome.run.champion
    assert {row["metric"] for row in figures["metrics"]} >= {"ndcg", "recall"}
    verified = json.loads(invoke("verify", *where))
    assert verified == {"run_id": run_id, "rows": outcome.run.rows, "as_published": True}


def test_items_give_the_list_of_a_new_user(
    run_plain: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (
        "models.shelf=popularity,als,ease",
        "models.ease.regularization=0.01",
    )  # overfitted: als is champion
    run_id = run_plain(home, *settings).run.run_id
    where = ("--home", home.path)

    shown = invoke("show", "--items", "1, 2,99999", "-n", "5", *where)
    assert "A new user who likes" in shown
    assert f"is recommended from these items in run {run_id} by" in shown
    assert "Left out, because no item has this id or title: '99999'." in shown
    title = next(line for line in shown.splitlines() if "(" in line).strip().rpartition(" (")[0]
    assert title in invoke("show", "--items", f'"{title}"', *where)

    by_ease = invoke("show", "--items", "1,2", "--model", "ease", *where)
    assert "by ease" in by_ease
    assert "because you liked" in by_ease
    assert "ease did not make the published lists" in by_ease
    assert "by popularity" in invoke("show", "--items", "1", "--model", "popularity", *where)

    for arguments, message in (
        (("--items", " , "), "--items names no item"),
        (("--items", "99999,x"), "No item has the id or title '99999', 'x'"),
        (("--items", "1", "--model", "elas"), f"Run {run_id} has no model 'elas'"),
        (("1", "--items", "1"), "takes either a user's id or --items"),
        ((), "takes either a user's id or --items"),
        (("1", "--model", "als,elas"), f"Run {run_id} has no model 'elas'"),
        (("1", "--model", ","), "--model names no model"),
    ):
        with pytest.raises(UsageError, match=message):
            invoke("show", *arguments, *where)

    best = re.findall(r"^ *1 +(.+?)(?: {2,}|$)", by_ease, re.MULTILINE)[0]  # a narrow table breaks titles
    with sqlite3.connect(home.path / "recommendations.db") as con:
        con.execute(
            "insert into item_rules (rule, item_id) select 'block', item_id from items where title like ? || '%'",
            (best,),
        )
    assert best not in invoke("show", "--items", "1,2", "--model", "ease", *where)

    monkeypatch.setattr(EASE, "_fold_in", Recommender._fold_in)
    with pytest.raises(UsageError, match="ease ranks items only for users that it was trained on"):
        invoke("show", "--items", "1", "--model", "ease", *where)

    shutil.rmtree(home.artifacts)
    with pytest.raises(UsageError, match=f"The models of run {run_id}, whose lists are live, are not kept"):
        invoke("show", "--items", "1", *where)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of which no night was run: its models are tiny, and its lists are live."""
    home, run_id = home_with_run(tmp_path_factory.mktemp("similar"))
    publish_lists(home, run_id)
    return home


def test_show_puts_lists_of_models_side_by_side(published: Home) -> None:
    shown = invoke("show", "u2", "--model", "als,sasrec", "-n", "3", "--home", published.path)
    assert re.search(r"User u2 by models of run \d+\n# +als +sasrec \*", shown)
    assert "* did not make the published lists" in shown
    document = json.loads(invoke("show", "u2", "--model", "als", "--json", "--home", published.path))
    assert [each["model"] for each in document["lists"]] == ["als"]


def test_similar_shows_items_by_any_model(published: Home) -> None:
    where = ("--home", published.path)
    assert re.search(r"Most like Film 0 \(Drama\)\n.*\n1  Film 2 ", invoke("similar", "i0", *where))
    by_als = invoke("similar", "i2", "--model", "als", "-n", "3", *where)
    assert "Most like Film 2 (Drama) by als" in by_als
    assert len(by_als.splitlines()) == 5
    assert "does not know the newest data" in invoke("similar", "i2", "--model", "sasrec", *where)


def test_similar_compares_two_items(published: Home) -> None:
    where = ("--home", published.path)
    best = re.findall(r"^ *1  Film (\d+)", invoke("similar", "i2", "--model", "als", *where), re.MULTILINE)[0]
    shown = invoke("similar", "Film 2", f"i{best}", *where)
    assert f"Film {best} beside Film 2, by als of run" in shown
    assert re.search(r"Similarity 0\.\d+\nPlace 1 of 38 items; \d+ are similar at all", shown)


def test_similar_shows_users_and_what_they_share(published: Home) -> None:
    shown = invoke("similar", "--user", "u2", "-n", "2", "--home", published.path)
    assert "Users most like u2 by als of run" in shown
    assert re.search(r"\n1  u\d+ +0\.\d+ +\d+  Film \d+; Film \d+; Film \d+", shown)
    assert len(shown.splitlines()) == 4


@pytest.mark.parametrize("given", [(), ("i2", "--user", "u2")])
def test_similar_takes_either_an_item_or_a_user(given: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="takes either an item or --user"):
        invoke("similar", *given)


def test_runs_lists_nights_when_the_server_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = open_home("demo", tmp_path / "home")
    runs = Runs(home.runs)
    run = runs.begin("f", dataset="demo", seed=1, live=None)
    runs.finish(run, "failed", "why")
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://127.0.0.1:1/x")
    output = invoke("runs", "--home", home.path)
    assert str(run.run_id) in output
    assert "The live run is not known. postgresql://127.0.0.1:1/x cannot be reached" in output
