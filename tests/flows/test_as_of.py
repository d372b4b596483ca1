"""`--as-of`: what happens at that moment or later changes nothing that a night makes, whichever model makes it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import FILES
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome
from tasks.storage.home import Home, open_home
from tests.flows.conftest import RATERS, run_small_night
from tests.flows.test_night import published

SHELF = load_settings(None, ()).models.shelf
WHOLE_SHELF = (
    f"models.shelf={','.join(SHELF)}",
    "models.bpr.iterations=2",
    "models.mf.epochs=2",
    "models.lightgcn.epochs=2",
    "blend.enabled=true",
    "judge.min_users=5",
    "recommend.new_item_share=0.1",
)
N_ITEMS = 200
WITH_TIMES = ("ratings.csv", "tags.csv", "events.csv", "links.csv")

Rows = list[dict[str, str]]


def read(folder: Path, name: str) -> Rows:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, name: str, rows: Rows) -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, rows[0].keys())
        lines.writeheader()
        lines.writerows(rows)


def poison(name: str, past: Rows, moment: int) -> Rows:
    """Return rows at `moment` and later: every user dislikes what they liked, and strangers praise unknown items."""
    moments = map(str, range(moment, moment + 1_000_000))
    strangers = [str(user) for user in (0, *range(RATERS + 100, RATERS + 160))]  # before and behind all ids
    unknown = ["0", *map(str, range(N_ITEMS + 1, N_ITEMS + 11)), "1"]
    if name == "ratings.csv":
        again = [row | {"rating": str(5.5 - float(row["rating"]))} for row in past]
        new = [{"userId": user, "movieId": item, "rating": "5.0"} for user in strangers for item in unknown]
    elif name == "tags.csv":
        again = [row | {"tag": f"not {row['tag']}"} for row in past]
        new = [{"userId": user, "movieId": item, "tag": "poison"} for user in strangers for item in unknown]
    elif name == "events.csv":
        again = [row | {"event": "purchase", "value": "9"} for row in past]
        new = [
            {"userId": user, "itemId": item, "event": "like", "value": "1"}
            for user in strangers
            for item in unknown
        ]
    else:
        again = [row | {"userId": row["friendId"], "friendId": "1"} for row in past if row["friendId"] != "1"]
        new = [{"userId": user, "friendId": "2"} for user in strangers]
    return [row | {"timestamp": next(moments)} for row in (*again, *new)]


def night(input_folder: Path, home: Path, moment: int) -> tuple[Home, Outcome]:
    """Run a night of the whole shelf as of `moment`, in a home of its own."""
    opened = open_home(str(input_folder), home, "tiny")
    as_of = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    return opened, run_small_night(opened, *WHOLE_SHELF, flow=nightly, as_of=as_of)


@pytest.fixture(scope="module")
def nights(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Home, Outcome]]:
    """Nights as of one moment: of what was there by then, and with a poisoned future."""
    folder = tmp_path_factory.mktemp("as_of")
    times = sorted(int(row["timestamp"]) for row in read(dataset, "ratings.csv"))
    moment = times[len(times) * 9 // 10]
    for which in ("past", "poisoned"):
        (folder / which).mkdir()
        for name in FILES:
            rows = read(dataset, name)
            if name in WITH_TIMES:
                rows = [row for row in rows if int(row["timestamp"]) < moment]
                assert rows
                rows += poison(name, rows, moment) if which == "poisoned" else []
            write(folder / which, name, rows)
    return {which: night(folder / which, folder / f"{which} home", moment) for which in ("past", "poisoned")}


def digests(night_of: tuple[Home, Outcome], stage: str) -> list[tuple[str, dict[str, str]]]:
    """Return, for each artifact of a stage in the order in which they were made, its model and its files' digests."""
    home, outcome = night_of
    kept = [home.artifacts / name for name in outcome.run.artifacts if name.startswith(f"{stage}/")]
    manifests = [json.loads((folder / "manifest.json").read_text(encoding="utf-8")) for folder in kept]
    return [(each["reference"].get("model", ""), each["files"]) for each in manifests]


def test_a_poisoned_future_changes_no_list(nights: dict[str, tuple[Home, Outcome]]) -> None:
    (home, past), (poisoned_home, poisoned) = nights["past"], nights["poisoned"]
    assert past.run.failed_models == poisoned.run.failed_models == {}
    assert past.run.champion == poisoned.run.champion
    assert published(home) == published(poisoned_home)


def test_a_poisoned_future_changes_no_matrix_and_no_fit(nights: dict[str, tuple[Home, Outcome]]) -> None:
    """The two snapshots are of what lies before the cutoff, and of everything: all lists are made from them."""
    past, poisoned = nights["past"], nights["poisoned"]
    assert len(digests(past, "utility")) == 2
    assert {model for model, _ in digests(past, "fit")} >= {*SHELF, "blend"}
    for stage in ("utility", "held_out", "fit"):
        assert digests(past, stage) == digests(poisoned, stage), stage
