"""Lists, and nights as a table that fits the window."""

import io
from datetime import datetime

import pytest
from rich.console import Console

from flows.terminal.lists import show_list, show_pair, show_runs, show_similar_users
from tasks.publication.queries import Item, Recommended, RecordedRun, ShownList
from tasks.reporting.similarity import ItemPair, SimilarUsersOf
from tasks.storage.run_records import Run, Status

BEGAN, ENDED = datetime(2026, 11, 21, 5, 0, 0), datetime(2026, 11, 21, 5, 0, 18)
REASONS: dict[Status, str] = {
    "published": "Run 20261121050000 is live.",
    "check_failed": "coverage: 3 of 2,000 users have no list [known], more than check.min_user_coverage allows",
    "not_switched": "somebody rolled back while the night ran",
    "running": "",
}


def nights() -> list[Run]:
    return [
        Run(
            20261121050000 + number,
            "fingerprint",
            "demo",
            BEGAN,
            seed=1,
            expected_live=None,
            status=status,
            as_of=datetime(2024, 12, 29, 21, 44),
            finished_at=ENDED,
            champion="als",
            rows=200_000,
            reason=reason,
        )
        for number, (status, reason) in enumerate(REASONS.items())
    ]


def shown(width: int, *, running: bool = True) -> str:
    console = Console(file=io.StringIO(), width=width)
    run = nights()[0]
    live = RecordedRun(
        run.run_id,
        run.as_of,
        BEGAN,
        ENDED,
        "published",
        "als",
        200_000,
        None,
        live=True,
        kept=True,
        held_back=False,
        bytes=12 * 2**20,
    )
    show_runs(console, nights(), [live], running=running)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [50, 60, 80, 110, 200])
def test_id_and_status_are_never_shortened(width: int) -> None:
    lines = shown(width).splitlines()
    for run in nights():
        assert any(str(run.run_id) in line and run.status.replace("_", " ") in line for line in lines)


def test_rows_and_seconds_need_a_wide_window() -> None:
    assert "rows" not in shown(80)
    assert "2024-12-29 21:44" in shown(80)
    wide = shown(110)
    assert "200,000" in wide
    assert "seconds" in wide
    assert "200,000  12       18" in wide


def test_the_reason_of_an_unpublished_night_is_never_cut() -> None:
    for width in (60, 200):
        below = shown(width).split("\n\n")[1].splitlines()
        assert below == [
            f"20261121050001 check failed: {REASONS['check_failed']}",
            f"20261121050002 not switched: {REASONS['not_switched']}",
        ]


@pytest.mark.parametrize(("models", "in_title"), [(("als", "als"), True), (("als", "popularity"), False)])
def test_the_model_is_named_once_or_row_by_row(models: tuple[str, str], in_title: bool) -> None:
    rows = [Recommended(n, Item(n, f"Film {n}", None), 1 / n, model) for n, model in enumerate(models, 1)]
    console = Console(file=io.StringIO(), width=80)
    show_list(console, ShownList(7, 1, True, tuple(rows), (), "Nothing."))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert ("run 1 by als" in text) == in_title
    assert text.count("als") == 1


def test_a_run_without_an_end_counts_as_interrupted() -> None:
    assert "interrupted" not in shown(110)
    text = shown(110, running=False)
    assert "running" not in text
    assert "20261121050003 interrupted: It was killed" in text


def test_a_pair_that_the_model_does_not_find_similar_has_no_place() -> None:
    console = Console(file=io.StringIO(), width=100)
    items = Item(1, "[Rec] (2007)", None), Item(2, None, None)
    show_pair(
        console, ItemPair(*items, "item_knn", 5, None, None, n_similar=50, n_known=2000, note="A note.")
    )
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "A note.",
        "",
        "item 2 beside [Rec] (2007), by item_knn of run 5",
        "Not among the 50 of 2,000 items that item_knn finds similar to it.",
        "Models with vectors, such as als, compare any two: --model als",
    ]


def test_nobody_similar_is_said() -> None:
    console = Console(file=io.StringIO(), width=100)
    show_similar_users(console, SimilarUsersOf("[u]", "user_knn", 5, (), ""))
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "Users most like [u] by user_knn of run 5",
        "The model finds no user similar.",
    ]
