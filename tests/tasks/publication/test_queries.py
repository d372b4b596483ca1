"""Queries of the command line: lists, histories, similar items, runs, hints that name the home."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tasks.config.settings import Settings, UtilitySettings
from tasks.errors import UsageError
from tasks.publication import queries
from tasks.publication.errors import NoListsError, RunNotFoundError
from tasks.publication.maintenance import verify
from tasks.publication.publish import publish, rollback
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target, read_target
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs, Status
from tests.tasks.logs import Log, make_clean_tables
from tests.tasks.publication.published_lists import BIGINTS, OWNER, TEXTS, N, make_lists, write_lists
from tests.tasks.reporting.nights import night

UTILITY = UtilitySettings()
LOG = Log(
    ratings=[(7, 1, 4.0, 1), (7, 2, 5.0, 2), (7, 3, 2.0, 3), (7, 4, 5.0, 4), (7, 4, 1.0, 5), (8, 5, 5.0, 6)],
    events=[(7, 6, "like", 1.0, 7), (7, 1, "like", 1.0, 8), (7, 5, "watch", 2.0, 9)],
    items=[(1, "Alien", ["Horror", "Sci-Fi"]), (2, "Brazil", ["Sci-Fi"])],
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in which run 1 is live, for tests that only read."""
    return publish_first_run(tmp_path_factory.mktemp("published"))


def publish_first_run(folder: Path) -> str:
    address = f"sqlite:///{folder}/recommendations.db"
    with open_target(address, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, make_lists(folder / "lists", 1), expected_live=None, keep_runs=3)
    return address


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    with duckdb.connect(path) as con:
        make_clean_tables(con, LOG)
    return path


def test_a_warm_user_is_shown_a_personal_list_with_titles(url: str, warehouse: Path) -> None:
    with read_target(url) as target:
        shown = queries.show(target, "7", 3, warehouse=warehouse, utility=UTILITY)
    assert shown.personal
    assert shown.run_id == 1
    assert [row.rank for row in shown.rows] == [1, 2, 3]
    first = shown.rows[0]
    assert (first.item.item_id, first.item.title, first.model) == (10, "Film 10 (1960)", "als")
    assert first.score == 999.0


def test_likes_are_those_of_the_live_run(url: str, tmp_path: Path) -> None:
    home, present = Home(tmp_path, "shop", "x", tmp_path), Settings()
    with read_target(url) as target:
        assert (
            queries.likes_of_live_run(home, target, present) == present.utility
        )  # an adopted run has no record
        then = Settings.model_validate({"utility": {"relevant_rating": 2, "positive_events": {"view": 1}}})
        Runs(home.runs).save(night(1, settings=then.model_dump(mode="json", exclude={"publish": {"url"}})))
        likes = queries.likes_of_live_run(home, target, present)
    assert (likes.relevant_rating, likes.positive_events["view"]) == (2, 1)


def test_liked_items_are_shown_once_best_and_latest_first(url: str, warehouse: Path) -> None:
    with read_target(url) as target:
        liked = queries.show(target, "7", 3, warehouse=warehouse, utility=UTILITY).liked
    assert [(like.item.item_id, like.item.title, like.what, like.value) for like in liked] == [
        (2, "Brazil", "rated", 5.0),
        (1, "Alien", "rated", 4.0),
        (6, None, "like", 1.0),
    ]
    assert liked[1].item.genres == "Horror|Sci-Fi"


def test_a_cold_user_is_shown_the_fallback_list(url: str, warehouse: Path) -> None:
    with read_target(url) as target:
        shown = queries.show(target, "12345", N, warehouse=warehouse, utility=UTILITY)
    assert not shown.personal
    assert len(shown.rows) == N
    assert shown.liked == ()
    assert shown.liked_note == ""


LOCK_THE_WAREHOUSE = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_warehouse_hides_only_the_history(url: str, warehouse: Path) -> None:
    command = [sys.executable, "-c", LOCK_THE_WAREHOUSE, str(warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as night:
        assert night.stdout is not None
        assert night.stdout.readline() == "locked\n"
        with read_target(url) as target:
            shown = queries.show(target, "7", 3, warehouse=warehouse, utility=UTILITY)
        night.communicate()
    assert len(shown.rows) == 3
    assert "A night is running" in shown.liked_note


def test_a_missing_warehouse_hides_only_the_history(url: str, tmp_path: Path) -> None:
    with read_target(url) as target:
        shown = queries.show(target, "7", 3, warehouse=tmp_path / "none.duckdb", utility=UTILITY)
    assert len(shown.rows) == 3
    assert "no warehouse" in shown.liked_note


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("42x", "mean 42"), ("user-7", "mean 7"), ("bob", "such as"), ("9" * 30, "mean"), ("", "such")],
)
def test_an_invalid_user_id_is_refused_with_a_suggestion(
    url: str, warehouse: Path, typed: str, hint: str
) -> None:
    with read_target(url) as target, pytest.raises(UsageError, match="User ids are whole numbers") as refused:
        queries.show(target, typed, 3, warehouse=warehouse, utility=UTILITY)
    assert hint in refused.value.hint


def test_an_id_of_another_home_names_the_homes(
    url: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = open_home("demo", None)
    with read_target(url) as target, queries.name_home_in_hints(home):
        open_home("ml-25m", None)
        with pytest.raises(UsageError) as refused, queries.name_home_in_hints(home):
            queries.show(target, "u-0156", 3, warehouse=warehouse, utility=UTILITY)
    assert refused.value.hint.endswith(
        "These are the lists of data/demo; other homes at hand: data/ml-25m. Name one with --home."
    )


def test_similar_items_are_found_by_id_title_or_part_of_it(url: str) -> None:
    with read_target(url) as target:
        for typed in ("12", "Film 12 (1962)", "film 12 (1962)", "1962"):
            found = queries.similar(target, typed, 3)
            assert found.item.title == "Film 12 (1962)"
            assert [row.item.item_id for row in found.rows] == [14, 15, 16]


def test_items_are_found_by_id_or_whole_title_in_order(url: str) -> None:
    with read_target(url) as target:
        found, unknown = queries.find_items(target, ["7", "film 3", "Film 3 (1953)", "2"])
    assert [item.item_id for item in found] == [7, 3, 3, 2]
    assert unknown == []


def test_an_unknown_item_is_named_with_a_title_that_holds_it(url: str) -> None:
    with read_target(url) as target:
        found, unknown = queries.find_items(target, ["99999", "lm 12", "2"])
    assert [item.item_id for item in found] == [2]
    assert unknown == ["'99999'", "'lm 12' (did you mean 12: Film 12 (1962)?)"]


def test_a_year_is_no_item(url: str) -> None:
    """Every title of that year would match, so a mistyped id must not find one by its year."""
    with read_target(url) as target:
        assert queries.find_items(target, ["1962"])[0] == []


def test_items_outside_the_catalogue_have_no_title(url: str) -> None:
    with read_target(url) as target:
        found = queries.items_of(target, [3, 555])
    assert found[3].title == "Film 3 (1953)"
    assert found[555] == queries.Item(555, None, None)


def publish_items(folder: Path, *titles: str) -> str:
    """Publish items 1, 2, … with these titles, and return the address of the database."""
    items = [(number, title, None) for number, title in enumerate(titles, 1)]
    lists = write_lists(
        folder,
        recommendations=[(7, 1, 1, 1.0, "als", 1.0, None)],
        similar_items=[(number, 1, 1, 1.0) for number in range(1, len(titles) + 1)],
        fallback_recommendations=[("all", 1, 1, 1.0)],
        items=items,
    )
    address = f"sqlite:///{folder}/titles.db"
    with open_target(address, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
    return address


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("matrix, the", "Matrix, The (1999)"),
        ("Toy Story", "Toy Story (1995)"),
        ("TOY STORY 2", "Toy Story 2 (1999)"),
        ("Solo", "Solo"),  # an exact title takes precedence over a title before a year
        ("100%", "100% (2001)"),
        ("Élan", "Élan (1980)"),
    ],
)
def test_a_title_is_found_without_its_year(tmp_path: Path, typed: str, title: str) -> None:
    titles = ["Matrix, The (1999)", "Animatrix, The (2003)", "Toy Story (1995)", "Toy Story 2 (1999)"]
    titles += [
        "Making of Toy Story (1995)",
        "Solo",
        "Solo (2018)",
        "100% (2001)",
        "100 Men (2001)",
        "Élan (1980)",
    ]
    with read_target(publish_items(tmp_path, *titles)) as target:
        assert queries.similar(target, typed, 3).item.title == title


def test_a_title_of_two_years_is_refused_with_their_ids(tmp_path: Path) -> None:
    address = publish_items(tmp_path, "Sabrina (1954)", "Sabrina (1995)", "Sabrina Goes West (1960)")
    with read_target(address) as target, pytest.raises(UsageError, match="2 items match") as refused:
        queries.similar(target, "sabrina", 3)
    assert refused.value.hint.splitlines() == [
        "Give the id of one:",
        "  1: Sabrina (1954)",
        "  2: Sabrina (1995)",
    ]


def test_an_ambiguous_title_lists_the_candidates(url: str) -> None:
    with read_target(url) as target:
        with pytest.raises(UsageError, match="More than 10") as refused:
            queries.similar(target, "film", 3)
        assert "1: Film 1 (1951)" in refused.value.hint
        with pytest.raises(UsageError, match="10 items match"):
            queries.similar(target, "(196", 3)


@pytest.mark.parametrize("typed", ["%", "_", "no such film", "'; drop table items; --", "99999"])
def test_an_unknown_title_is_refused(url: str, typed: str) -> None:
    with read_target(url) as target, pytest.raises(UsageError, match="No item"):
        queries.similar(target, typed, 3)


def test_titles_are_not_asked_for_when_there_are_none(tmp_path: Path) -> None:
    lists = write_lists(
        tmp_path,
        recommendations=[(7, 1, 5, 1.0, "als", 1.0, None)],
        similar_items=[(5, 1, 5, 1.0)],
        fallback_recommendations=[("all", 1, 5, 1.0)],
        items=[(5, None, None)],
    )
    address = f"sqlite:///{tmp_path}/untitled.db"
    with open_target(address, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
        with pytest.raises(UsageError, match=r"No item has the id '179'\.$") as refused:
            queries.similar(target, "179", 3)
    assert refused.value.hint == "Items have no titles here: give an id, such as 5."


def test_text_ids_are_not_parsed(tmp_path: Path, warehouse: Path) -> None:
    user = "007'; --"
    lists = write_lists(
        tmp_path,
        recommendations=[(user, 1, "x y", 1.0, "als", 1.0, None)],
        similar_items=[("x y", 1, "x y", 1.0)],
        fallback_recommendations=[("all", 1, "x y", 1.0)],
        items=[("x y", "A title", None)],
    )
    address = f"sqlite:///{tmp_path}/texts.db"
    with open_target(address, owner=OWNER) as target:
        target.ensure_schema(TEXTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
        nowhere = tmp_path / "none"
        assert queries.show(target, user, 5, warehouse=nowhere, utility=UTILITY).personal
        assert not queries.show(target, "7", 5, warehouse=nowhere, utility=UTILITY).personal
        assert queries.similar(target, "x y", 5).item.title == "A title"


def test_runs_have_a_status_and_the_state_of_their_lists(tmp_path: Path) -> None:
    url = publish_first_run(tmp_path)
    began = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
    with open_target(url, owner=OWNER) as target:
        publish(target, 2, make_lists(tmp_path / "lists-2", 2), expected_live=1, keep_runs=3)
        rollback(target)
        for run, status in ((1, "published"), (2, "published"), (3, "failed")):
            target.record_run({"run_id": run, "started_at": began, "status": status})
    with read_target(url) as target:
        found = queries.runs(target)
    assert [(run.run_id, run.status, run.live, run.kept, run.held_back) for run in found] == [
        (3, "failed", False, False, False),
        (2, "published", False, True, True),
        (1, "published", True, True, False),
    ]
    assert found[0].started_at == datetime(2026, 11, 2, 1, 0)


def test_without_lists_queries_are_refused(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/lists.db"
    with pytest.raises(UsageError, match="no lists"), read_target(address):
        pass
    with open_target(address, owner=OWNER) as target:
        assert queries.runs(target) == []
        target.ensure_schema(BIGINTS)
        with pytest.raises(UsageError, match="no lists"):
            queries.similar(target, "1", 3)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (None, "Publish some with: recs run --home "),
        ("check_failed", "The last night was held back: recs report --home "),
        ("failed", "The last night failed: recs report --home "),
        ("interrupted", "Publish some with: recs run --home "),
    ],
)
def test_without_lists_the_hint_names_the_home(tmp_path: Path, status: Status | None, hint: str) -> None:
    home = Home(tmp_path / "a home", "shop", "x", tmp_path)
    home.path.mkdir()
    if status is not None:
        runs = Runs(home.runs)
        runs.finish(runs.begin("f", dataset="shop", seed=1, live=None), status, "why")
    with (
        pytest.raises(NoListsError) as caught,
        queries.name_home_in_hints(home),
        read_target(home.default_url),
    ):
        pass
    assert caught.value.hint.startswith(f"{hint}'{home.path}'")


def test_lists_of_another_home_are_refused(url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"publish": {"url": url}})
    with (
        pytest.raises(UsageError, match=f"belongs to another home \\({OWNER}\\)"),
        queries.lists_of(Home(tmp_path, "shop", "x", tmp_path), settings),
    ):
        pass


@pytest.mark.parametrize(
    "command",
    [
        rollback,
        lambda target: rollback(target, 1),
        lambda target: rollback(target, 9),
        lambda target: verify(target, 9),
    ],
)
def test_a_hint_to_list_the_runs_names_the_home(
    url: str, tmp_path: Path, command: Callable[[Target], object]
) -> None:
    home = Home(tmp_path, "shop", "x", tmp_path)
    with (
        pytest.raises(RunNotFoundError) as caught,
        queries.name_home_in_hints(home),
        open_target(url, owner=OWNER) as target,
    ):
        command(target)
    assert caught.value.hint == f"See what there is: recs runs --home {tmp_path}"


def test_a_hint_about_something_else_is_left_alone(url: str, tmp_path: Path) -> None:
    home = Home(tmp_path, "shop", "x", tmp_path)
    with (
        pytest.raises(UsageError) as caught,
        queries.name_home_in_hints(home),
        read_target(url) as target,
    ):
        queries.similar(target, "no such film", 3)
    assert str(home.path) not in caught.value.hint
