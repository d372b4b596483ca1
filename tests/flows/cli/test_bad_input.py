"""Tiny and degenerate data sets: each is judged as far as possible and published, or the night says why not."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import open_home

USERS, ITEMS = range(1, 11), range(1, 9)
NO_HOLDOUT = "popularity, because no user could be held out to judge the models on"
SETTINGS = ("recommend.n=5", "judge.bootstrap_samples=100", "models.als.factors=2", "models.als.iterations=2")

Stars = Callable[[int, int], float]
Moment = Callable[[int, int], int]
NightOn = Callable[[dict[str, list[tuple]]], Outcome]


def varied_stars(user: int, item: int) -> float:
    return 1 + (user * item) % 5


def distinct_times(user: int, item: int) -> int:
    return 1_600_000_000 + item * 86_400 + user


def ratings(
    users: range = USERS, items: range = ITEMS, stars: Stars = varied_stars, at: Moment = distinct_times
) -> dict[str, list[tuple]]:
    """Return the ratings of each user for the items where user + item is no multiple of 3."""
    return {
        "userId,movieId,rating,timestamp": [
            (u, i, stars(u, i), at(u, i)) for u in users for i in items if (u + i) % 3
        ]
    }


def tags() -> dict[str, list[tuple]]:
    rows = [(u, i, "noir" if i % 2 else "slow", t) for u, i, _, t in next(iter(ratings().values()))]
    return {"userId,movieId,tag,timestamp": rows}


def events() -> dict[str, list[tuple]]:
    rows = [(u, i, "like" if i % 2 else "watch", 1.5, t) for u, i, _, t in next(iter(ratings().values()))]
    return {"userId,itemId,event,value,timestamp": rows}


def one_rating_each() -> dict[str, list[tuple]]:
    return {"userId,movieId,rating,timestamp": [(u, 1 + u % 4, 5, distinct_times(u, u)) for u in USERS]}


def one_user_with_all_items() -> dict[str, list[tuple]]:
    [(header, rows)] = ratings().items()
    return {header: [row for row in rows if row[0] != 1] + [(1, i, 4, distinct_times(1, i)) for i in ITEMS]}


@pytest.fixture(scope="module")
def night_on(tmp_path_factory: pytest.TempPathFactory) -> NightOn:
    """Run a first night on these sources, once for the whole module."""
    done: dict[str, Outcome] = {}

    def night(sources: dict[str, list[tuple]]) -> Outcome:
        if repr(sources) not in done:
            done[repr(sources)] = run(tmp_path_factory.mktemp("few"), sources)
        return done[repr(sources)]

    return night


def run(folder: Path, sources: dict[str, list[tuple]]) -> Outcome:
    """Run a first night on these sources; the header of each tells its kind."""
    raw = folder / "few"
    raw.mkdir()
    for header, rows in sources.items():
        name = next(kind for kind in ("rating", "tag", "event") if f",{kind}," in header)
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (raw / f"{name}s.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return run_night(
        open_home(str(raw), folder / "home"), load_settings(None, SETTINGS), nightly, SilentWatcher()
    )


@pytest.mark.parametrize(
    ("sources", "users"),
    [
        pytest.param(ratings(users=range(1, 3)), 2, id="two users"),
        pytest.param(one_rating_each(), 10, id="one rating each"),
        pytest.param(ratings(stars=lambda *_: 1), 10, id="only dislikes"),
        pytest.param(ratings(stars=lambda u, _: 1 + u % 5), 10, id="each user's ratings all equal"),
        pytest.param(ratings(at=lambda *_: 1_600_000_000), 10, id="all at one moment"),
        pytest.param(one_user_with_all_items(), 9, id="one user has every item"),
        pytest.param(tags(), 10, id="only tags"),
        pytest.param(events(), 10, id="only events"),
    ],
)
def test_a_degenerate_data_set_is_published(
    night_on: NightOn, sources: dict[str, list[tuple]], users: int
) -> None:
    outcome = night_on(sources)
    assert (outcome.run.status, outcome.run.failed_models) == ("published", {})
    with sqlite3.connect(outcome.place) as con:
        assert con.execute("select count(distinct user_id) from recommendations").fetchone() == (users,)


@pytest.mark.parametrize(("sources", "marked"), [(ratings(), set()), (tags(), {"mf"}), (events(), {"mf"})])
def test_models_fitted_on_nothing_are_marked(
    night_on: NightOn, sources: dict[str, list[tuple]], marked: set[str]
) -> None:
    """Ratings can be positive; neither tags nor events give `mf` any rating."""
    learned_nothing = set(night_on(sources).run.summary.learned_nothing)
    assert learned_nothing & {"mf", "popularity", "content"} == marked


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param(ratings(users=range(1, 2)), id="one user"),
        pytest.param(ratings(items=range(1, 2)), id="one item"),
        pytest.param(ratings(range(1, 2), range(1, 2)), id="one user, one item", marks=pytest.mark.slow),
    ],
)
def test_nothing_is_published_when_every_item_is_seen(
    night_on: NightOn, sources: dict[str, list[tuple]]
) -> None:
    outcome = night_on(sources)
    assert (outcome.exit_code, outcome.run.status) == (3, "check_failed")
    assert "has every user seen every item?" in outcome.run.reason
    assert "There are no earlier lists, so none are live." in outcome.run.reason
    assert (
        next(stage.note for stage in outcome.run.stages if stage.stage == "recommend") == "0 rows for 0 users"
    )
    why = next(stage.note for stage in outcome.run.stages if stage.stage == "choose")
    assert why == NO_HOLDOUT
