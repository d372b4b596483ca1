"""Run records: how runs begin, resume and end."""

import json
from pathlib import Path

import pytest

from tasks.artifacts import Decision
from tasks.errors import NightError
from tasks.storage.run_records import Run, Runs, StageTime


def begin(runs: Runs, mark: str, live: int | None = None) -> Run:
    return runs.begin(mark, dataset="demo", seed=1, live=live)


def test_an_unfinished_run_resumes_under_its_id(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first = begin(runs, "same", live=7)
    first.stages.append(StageTime("land", None, 0.1, 1.0, False, ""))
    runs.save(first)
    again = begin(runs, "same", live=9)
    assert (again.run_id, again.expected_live, again.stages) == (first.run_id, 7, [])


def test_still_live_names_the_lists_that_stay_live(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    assert begin(runs, "first").still_live == "There are no earlier lists, so none are live."
    assert begin(runs, "second", live=7).still_live == "The lists of run 7 stay live."


def test_a_dead_run_with_another_fingerprint_is_closed(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    dead = begin(runs, "yesterday")
    new = begin(runs, "today")
    assert new.run_id > dead.run_id
    found = runs.find(dead.run_id)
    assert found is not None
    assert found.status == "failed"
    assert "without a result" in found.reason


def test_a_dead_run_with_live_lists_is_closed_as_published(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    dead = begin(runs, "yesterday")
    begin(runs, "today", live=dead.run_id)
    found = runs.find(dead.run_id)
    assert found is not None
    assert found.status == "published"


def test_a_record_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = begin(runs, "same")
    file = tmp_path / str(run.run_id) / "run.json"
    record = json.loads(file.read_text())
    del record["switched"], record["failed_models"]
    file.write_text(json.dumps(record))
    assert runs.find(run.run_id) == run


def test_a_finished_run_is_never_resumed(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    done = begin(runs, "same")
    runs.finish(done, "published", "fine")
    assert begin(runs, "same").run_id != done.run_id
    assert [run.status for run in runs.all()] == ["running", "published"]
    assert runs.find(done.run_id) == done


def test_an_interrupted_run_resumes_until_another_begins(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first = begin(runs, "same")
    runs.finish(first, "interrupted", "It was interrupted.")
    again = begin(runs, "same")
    assert (again.run_id, again.status, again.reason, again.finished_at) == (
        first.run_id,
        "running",
        "",
        None,
    )
    runs.finish(again, "interrupted", "It was interrupted.")
    other = begin(runs, "other")
    runs.finish(other, "failed", "It broke.")
    assert begin(runs, "same").run_id > other.run_id, "the live lists may have changed since"
    found = runs.find(first.run_id)
    assert found is not None
    assert (found.status, found.reason) == ("interrupted", "It was interrupted.")


@pytest.mark.parametrize("text", ["{", "{}", "[]", "\x00"])
def test_a_damaged_record_is_named_and_can_be_moved(tmp_path: Path, text: str) -> None:
    runs = Runs(tmp_path)
    damaged = tmp_path / str(begin(runs, "yesterday").run_id)
    (damaged / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(NightError, match=r"run.json is damaged") as caught:
        begin(runs, "today")
    assert str(damaged) in caught.value.hint
    damaged.rename(tmp_path / "aside")
    assert begin(runs, "today").status == "running"


def test_the_database_row_says_why_the_champion_was_chosen(tmp_path: Path) -> None:
    run = Runs(tmp_path).begin("f", dataset="d", seed=1, live=None)
    run.reason = "Run 1 is live."
    assert run.row()["reason"] == "Run 1 is live."
    why = "als stays: it has the best ndcg@10"
    run.summary.decision = Decision("als", "als", "ndcg@10", 9, None, 1, (), {}, why=why)
    assert run.row()["reason"] == "Run 1 is live. Champion: als stays: it has the best ndcg@10."


def test_an_older_record_gets_its_missing_fields_from_notes(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = begin(runs, "same")
    run.stages = [
        StageTime("split", None, 0.1, 1.0, False, "temporal: 9 users"),
        StageTime("choose", None, 0.1, 1.0, False, "als is best"),
    ]
    run.summary.decision = Decision("als", None, "ndcg@10", 9, None, 1, (), {})
    runs.finish(run, "published", f"Run {run.run_id} is live. Afterwards, the disk was full.")
    found = runs.find(run.run_id)
    assert found is not None
    assert found.summary.decision is not None
    assert (found.summary.split_why, found.summary.decision.why) == ("temporal: 9 users", "als is best")
    assert found.after_switch == "the disk was full."


@pytest.mark.parametrize("beginning", ["Run 1 is live. Afterwards, ", "Its lists went live; "])
def test_older_reasons_tell_of_trouble_after_the_switch(tmp_path: Path, beginning: str) -> None:
    runs = Runs(tmp_path)
    run = begin(runs, "same")
    run.status, run.reason = "published", f"{beginning}the report failed."
    runs.save(run)
    found = runs.find(run.run_id)
    assert found is not None
    assert found.after_switch == "the report failed."
