"""A night judges the lists of earlier runs, keeps the figures, and goes on without them."""

from __future__ import annotations

import logging
from datetime import datetime
from types import SimpleNamespace

import pytest

from tasks.artifacts import Lists
from tasks.config.load import load_settings
from tasks.outcomes.outcomes import judge_outcomes, read_outcomes
from tasks.outcomes.trial_users import read_trial_users
from tasks.publication.targets.base import PublishedRun
from tasks.run.outcomes import judge_earlier_lists
from tasks.storage.artifact_store import Store
from tasks.storage.run_records import Run, Runs
from tests.tasks.logs import Log, day, make_clean_tables
from tests.tasks.outcomes.small_lists import write_small_lists

USERS = {1: [(10, "als"), (12, "als")], 2: [(12, "als"), (11, "als")]}
SETTINGS = load_settings(None, ("judge.bootstrap_samples=100",))


class Night(SimpleNamespace):
    """A night after `clean`, with the home, the store and the serving database of earlier runs."""

    def __init__(self, con, root) -> None:
        self.stored: list[tuple[int, list]] = []
        target = SimpleNamespace(
            has_schema=True, published_runs=lambda: tuple(self.published), held_back=frozenset,
            record_outcomes=lambda run, rows: self.stored.append((run, rows)),
        )  # fmt: skip
        super().__init__(
            con=con, root=root, home=SimpleNamespace(artifacts=root / "artifacts"), runs=Runs(root / "runs"),
            store=Store(root / "artifacts"), target=target, settings=SETTINGS, as_of=day(80), published=[], notes={},
            failed_stage="", record=self._run(99, day(80)),
        )  # fmt: skip
        self.runs.save(self.record)

    def _run(self, run_id: int, as_of: datetime, *, switched: bool = False) -> Run:
        run = Run(run_id, "", "demo", as_of, 1, None, switched=switched, champion="als")
        run.as_of = as_of
        return run

    def publish(
        self,
        run_id: int,
        since: float,
        variants=None,
        *,
        keep: bool = True,
        switched: bool = True,
        published_as: str = "",
    ) -> None:
        """Add an earlier run.

        `keep` says whether its lists are still in the store, `switched` if they went live, and `published_as` under
        which key, if not that of today.
        """

        def build(folder):
            write_small_lists(folder / "files", USERS, [10], variants)
            for file in (folder / "files").iterdir():
                file.rename(folder / file.name)
            return Lists(f"k{run_id}", folder, 2, 4, 0, 1, 3)

        if keep:
            self.store.make("recommend", f"k{run_id}", build, is_reusable=lambda: True)
        record = self._run(run_id, day(since), switched=switched)
        record.artifacts = [f"recommend/k{run_id}"]
        self.runs.save(record)
        self.published.append(PublishedRun(run_id, 4, published_as or f"k{run_id}", switched, None, None))
        self.record.expected_live = run_id

    def run(self, call):
        folder = self.root / "made"
        folder.mkdir()
        return judge_outcomes(self.con, **call.arguments(), key="k", folder=folder)

    def note(self, **notes) -> None:
        self.notes.update(notes)


@pytest.fixture
def night(con, tmp_path) -> Night:
    make_clean_tables(con, Log(ratings=[(1, 10, 5, 55), (2, 11, 5, 55), (2, 12, 5, 75)]))
    return Night(con, tmp_path)


def test_figures_go_to_the_run_folder_and_to_the_database(night):
    night.publish(7, 50)
    night.publish(8, 70)
    judge_earlier_lists(night)
    rows = read_outcomes(night.runs.folder(99))
    assert {row.run_id for row in rows} == {7, 8}
    [(scored_by, stored)] = night.stored
    assert (scored_by, len(stored)) == (99, len(rows))
    assert night.notes["outcome"].startswith("Lists of run 8:")


def test_late_rows_are_counted_by_the_next_night(night):
    night.publish(7, 50)
    judge_earlier_lists(night)
    before = read_outcomes(night.runs.folder(99))
    make_clean_tables(
        night.con, Log(ratings=[(1, 10, 5, 55), (2, 11, 5, 55), (2, 12, 5, 75), (1, 12, 5, 56)])
    )
    (night.root / "made").rename(night.root / "made before")
    judge_earlier_lists(night)
    after = read_outcomes(night.runs.folder(99))
    assert {row.n_interactions for row in before if row.segment == "all"} == {3}
    assert {row.n_interactions for row in after if row.segment == "all"} == {4}


def test_a_trial_keeps_its_users_with_its_run(night):
    night.publish(7, 50, {1: "control", 2: "trial"})
    night.publish(8, 70)
    judge_earlier_lists(night)
    found = read_trial_users(night.runs.folder(7))
    assert (found.is_over, found.users["variant"].to_pylist()) == (True, ["control", "trial"])
    assert read_trial_users(night.runs.folder(8)) is None


def test_lists_that_were_rewritten_are_judged(night: Night) -> None:
    """`recs forget` gives the lists of all others another key, and the run's record names it."""
    night.publish(7, 70, published_as="as they were with the forgotten user")
    judge_earlier_lists(night)
    assert {row["run_id"] for _, rows in night.stored for row in rows} == {7}


def test_lists_that_are_gone_are_named(night, caplog):
    night.publish(7, 50, keep=False)
    night.publish(8, 70)
    with caplog.at_level(logging.WARNING):
        judge_earlier_lists(night)
    assert "The lists of run 7 cannot be judged" in caplog.text
    assert {row.run_id for row in read_outcomes(night.runs.folder(99))} == {8}


def test_lists_that_never_went_live_are_not_judged(night):
    night.publish(7, 50, switched=False)
    night.publish(8, 70)
    judge_earlier_lists(night)
    assert {row.run_id for row in read_outcomes(night.runs.folder(99))} == {8}


def test_a_first_night_judges_nothing(night):
    judge_earlier_lists(night)
    assert (night.stored, night.notes) == ([], {})


def test_a_failure_costs_only_the_figures(night, caplog):
    night.publish(7, 50)
    night.con.execute("drop table ratings")
    with caplog.at_level(logging.WARNING):
        judge_earlier_lists(night)
    assert "the night goes on without its figures" in caplog.text
    assert "could not be judged" in night.notes["outcome"]
    assert night.stored == []


def test_an_interruption_is_no_failure(night, monkeypatch):
    night.publish(7, 50)
    monkeypatch.setattr(night, "run", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        judge_earlier_lists(night)
