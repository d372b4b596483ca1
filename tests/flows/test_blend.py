"""Whole nights with a blend: published where it wins, dropped where a member cannot be refitted."""

import sqlite3

import pytest

from models.factors.als import ALS
from tasks.storage.home import Home
from tests.flows.conftest import RATERS, RunNight

MANY_HELD_OUT = ("blend.enabled=true", "split.method=leave_last")


@pytest.mark.slow
def test_a_winning_blend_is_refitted_and_published(
    run_plain: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, sizes = ALS._fit, set()

    def records_sizes(self, matrix, data, **options) -> None:
        sizes.add(data.seen.nnz)
        genuine(self, matrix, data, **options)

    def breaks_on_everything(self, matrix, data, **options) -> None:
        if data.seen.nnz == max(sizes):
            raise MemoryError("too large")
        genuine(self, matrix, data, **options)

    monkeypatch.setattr(ALS, "_fit", records_sizes)
    outcome = run_plain(home, *MANY_HELD_OUT)
    assert (outcome.run.status, outcome.run.champion, outcome.run.failed_models) == ("published", "blend", {})
    with sqlite3.connect(home.path / "recommendations.db") as con:
        [(rows, users, scored)] = con.execute(
            "select count(*), count(distinct user_id), count(model_score) from recommendations where model = 'blend'"
        ).fetchall()
        assert users == RATERS
        assert rows == scored > 0.9 * outcome.run.rows
    fits = [stage.model for stage in outcome.run.stages if stage.stage == "fit"]
    assert fits.count("blend") == 2, "learned, then rebuilt from the members refitted on everything"
    assert fits.count("als") == 2

    monkeypatch.setattr(ALS, "_fit", breaks_on_everything)
    outcome = run_plain(home, *MANY_HELD_OUT, "utility.signals.tag.weight=3")
    assert outcome.run.status == "published"
    assert outcome.run.failed_models == {
        "als": "MemoryError: too large",
        "blend": "its member als could not be refitted",
    }
    assert outcome.run.champion in {"popularity", "item_knn"}


def test_there_is_no_blend_when_too_few_users_can_teach(run_plain: RunNight, home: Home) -> None:
    outcome = run_plain(home, "blend.enabled=true")
    assert (outcome.run.status, outcome.run.failed_models) == ("published", {})
    notes = [stage.note for stage in outcome.run.stages if stage.model == "blend"]
    assert notes == [
        "none: blend needs 30 users of the select half who came to like something that its members list, and there "
        "are 21"
    ]
    assert outcome.run.champion != "blend"
