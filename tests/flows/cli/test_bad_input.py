"""Data sets with hardly anything in them: each is judged as far as possible and published, or says why not."""

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
NOBODY_HELD_OUT = "popularity, because no user could be held out to judge the models on"
SETTINGS = ("recommend.n=5", "judge.bootstrap_samples=100", "models.als.factors=2", "models.als.iterations=2")

Stars = Callable[[int, int], float]
Moment = Callable[[int, int], int]


def some_taste(user: int, item: int) -> float:
    return 1 + (user * item) % 5


def one_by_one(user: int, item: int) -> int:
    return 1_600_000_000 + item * 86_400 + user


def ratings(
    users: range = USERS, items: range = ITEMS, stars: Stars = some_taste, at: Moment = one_by_one
) -> dict[str, list[tuple]]:
    """Of each user for the items that share no factor 3 with the user's number."""
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
    return {"userId,movieId,rating,timestamp": [(u, 1 + u % 4, 5, one_by_one(u, u)) for u in USERS]}


def knows_everything_among_others() -> dict[str, list[tuple]]:
    [(header, rows)] = ratings().items()
    return {header: [row for row in rows if row[0] != 1] + [(1, i, 4, one_by_one(1, i)) for i in ITEMS]}


def run(folder: Path, sources: dict[str, list[tuple]]) -> Outcome:
    """A first night on files whose headers say what they are."""
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
        pytest.param(knows_everything_among_others(), 9, id="somebody knows everything"),
        pytest.param(tags(), 10, id="only tags"),
        pytest.param(events(), 10, id="only events"),
    ],
)
def test_a_poor_data_set_is_published(tmp_path: Path, sources: dict[str, list[tuple]], users: int) -> None:
    outcome = run(tmp_path, sources)
    assert (outcome.run.status, outcome.run.failed_models) == ("published", {})
    with sqlite3.connect(outcome.place) as con:
        assert con.execute("select count(distinct user_id) from recommendations").fetchone() == (users,)


@pytest.mark.parametrize(("sources", "marked"), [(ratings(), set()), (tags(), {"mf"}), (events(), {"mf"})])
def test_models_that_had_nothing_to_learn_from_are_marked(
    tmp_path: Path, sources: dict[str, list[tuple]], marked: set[str]
) -> None:
    """Ratings are there to be liked; neither tags nor events are stars."""
    learned_nothing = set(run(tmp_path, sources).run.summary.learned_nothing)
    assert learned_nothing & {"mf", "popularity", "content"} == marked


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param(ratings(users=range(1, 2)), id="one user"),
        pytest.param(ratings(items=range(1, 2)), id="one item"),
        pytest.param(ratings(range(1, 2), range(1, 2)), id="one user, one item"),
    ],
)
def test_where_everybody_knows_everything_the_night_says_so(
    tmp_path: Path, sources: dict[str, list[tuple]]
) -> None:
    outcome = run(tmp_path, sources)
    assert (outcome.exit_code, outcome.run.status) == (3, "check_failed")
    assert "has every user seen every item?" in outcome.run.reason
    assert "There are no earlier lists, so none are live." in outcome.run.reason
    assert (
        next(stage.note for stage in outcome.run.stages if stage.stage == "recommend") == "0 rows for 0 users"
    )
    why = next(stage.note for stage in outcome.run.stages if stage.stage == "choose")
    assert why == NOBODY_HELD_OUT
