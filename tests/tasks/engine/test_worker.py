"""The functions that run on a worker: files of blocks, results of stages, warnings; code that is not the night's."""

import logging
import pickle
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.engine.engine import BlockWork, MakeTable, Rows
from tasks.engine.worker import (
    BlockTask,
    StageFailedError,
    StageTask,
    code_of,
    read_block,
    run_stage,
    write_block,
)
from tasks.errors import NightError
from tasks.storage.stage import stage

log = logging.getLogger("tasks.example")
opened: list[int] = []


def open_squares(first: int) -> MakeTable:
    opened.append(first)
    return lambda rows: pa.table({"n": [(first + n) ** 2 for n in range(*rows)]})


@stage("example")
def example(number: int, *, folder: Path, key: str) -> str:
    """Warn, and return a text; raise an error for numbers below 0."""
    log.warning("The number is %d.", number)
    if number < 0:
        raise NightError("Too small.", "Take another.")
    (folder / "made").write_text(key)
    return f"{key}{number}"


def block(folder: Path, first: int, rows: Rows) -> BlockTask:
    work = BlockWork(open_squares, first)
    return BlockTask(work, rows, folder / "0.arrow", code_of(*work.modules))


def task(folder: Path, number: int) -> StageTask[str]:
    code = code_of(*example.modules({}))
    return StageTask(example.address, {"number": number}, {"folder": folder, "key": "k"}, code)


def test_a_block_is_written_and_read_once(tmp_path: Path) -> None:
    given = pickle.loads(pickle.dumps(block(tmp_path, 3, Rows(1, 3))))
    report = write_block(given)
    assert (report.result, report.peak_mb > 10) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["0.arrow"]
    table = read_block(tmp_path / "0.arrow")
    assert list(tmp_path.iterdir()) == []
    assert table["n"].to_pylist() == [16, 25], "mapped, after the file lost its name"


def test_blocks_of_the_same_work_open_it_once(tmp_path: Path) -> None:
    opened.clear()
    for first, rows in ((5, Rows(0, 1)), (5, Rows(1, 2)), (6, Rows(0, 1)), (5, Rows(2, 3))):
        write_block(block(tmp_path, first, rows))
    assert opened == [5, 6, 5]


def test_a_stage_is_found_by_name_and_its_warnings_kept(tmp_path: Path, caplog) -> None:
    report = run_stage(pickle.loads(pickle.dumps(task(tmp_path, 5))))
    assert report.result == "k5"
    assert [(each.logger, each.level, each.text) for each in report.warnings] == [
        ("tasks.example", logging.WARNING, "The number is 5.")
    ]
    assert caplog.records == [], "the night logs it, and not the worker"
    log.warning("Now it is heard.")
    assert len(caplog.records) == 1


def test_an_error_of_a_stage_keeps_its_hint_and_warnings(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as raised:
        run_stage(task(tmp_path, -1))
    failed = pickle.loads(pickle.dumps(raised.value))
    assert (str(failed.error), failed.error.hint) == ("Too small.", "Take another.")
    assert [each.text for each in failed.warnings] == ["The number is -1."]


def test_other_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NightError, match=r"other code than the night: .* and not source abc\.") as raised:
        write_block(replace(block(tmp_path, 1, Rows(0, 1)), code="source abc"))
    assert "Install the same version" in raised.value.hint
    with pytest.raises(NightError, match="other code than the night"):
        run_stage(replace(task(tmp_path, 1), code="source abc"))
    assert list(tmp_path.iterdir()) == []
