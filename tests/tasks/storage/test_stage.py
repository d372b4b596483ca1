"""Stages: a declaration, and a cache key that follows from the arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.storage.stage import Stage, stage


@dataclass(frozen=True)
class Made:
    key: str
    folder: Path
    n: int


@stage("count", model=lambda given: str(given["name"]), note=lambda made: f"{made.n} things")
def count(con: object, before: Made, name: str, n: int = 3, *, key: str, folder: Path) -> Made:
    """Count things."""
    return Made(key, folder, n + before.n)


@stage("count")
def count_otherwise(before: Made, name: str, n: int = 3, *, key: str, folder: Path) -> Made:
    return Made(key, folder, n - before.n)


@stage("count")
def count_alike(con: object, before: Made, name: str, n: int = 3, *, key: str, folder: Path) -> Made:
    return Made(key, folder, n * before.n)


BEFORE = Made("b", Path("b"), 2)


def key_of(counting: Stage, *args: object, clean_key: str = "clean", **kwargs: object) -> str:
    return counting.cache_key(counting.bind(*args, **kwargs), clean_key=clean_key)


def test_called_as_a_function_it_is_the_function() -> None:
    assert count(None, BEFORE, "als", key="k", folder=Path("k")) == Made("k", Path("k"), 5)
    assert (count.__doc__, count.__name__) == ("Count things.", "count")
    assert (count.result_class, count.supplied) == (Made, {"con", "key", "folder"})


def test_defaults_and_keywords_make_no_other_key() -> None:
    assert (
        key_of(count, BEFORE, "als")
        == key_of(count, BEFORE, "als", 3)
        == key_of(count, n=3, name="als", before=BEFORE)
    )


def test_every_argument_counts_references_by_their_key() -> None:
    plain = key_of(count, BEFORE, "als")
    assert plain != key_of(count, BEFORE, "bpr")
    assert plain != key_of(count, BEFORE, "als", 4)
    assert plain != key_of(count, Made("other", BEFORE.folder, BEFORE.n), "als")
    assert plain == key_of(count, Made("b", Path("elsewhere"), 9), "als")


def test_the_clean_tables_count_where_the_warehouse_is_read() -> None:
    assert key_of(count, BEFORE, "als") != key_of(count, BEFORE, "als", clean_key="other")
    assert key_of(count_otherwise, BEFORE, "als") == key_of(count_otherwise, BEFORE, "als", clean_key="other")


def test_functions_of_one_stage_have_keys_of_their_own() -> None:
    assert key_of(count, BEFORE, "als") != key_of(count_otherwise, BEFORE, "als")
    assert key_of(count, BEFORE, "als") != key_of(count_alike, BEFORE, "als"), "with the same parameters, too"


@pytest.mark.parametrize("wrong", [{"n": 1, "key": "mine"}, {"unknown": 1}, {}])
def test_a_call_with_other_arguments_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        count.call(BEFORE, *(() if not wrong else ("als",)), **wrong)


def test_a_call_waits_for_promises_and_is_named_by_its_model() -> None:
    class Later:
        model = "als"

        def succeeded(self) -> bool:
            return True

        def result(self) -> Made:
            return BEFORE

    call = count.call(Later(), "als")  # the name is known before the promise is kept
    assert call.arguments() == {"before": BEFORE, "name": "als", "n": 3}
    assert (call.label, len(call.awaited)) == ("count-als", 1)
    assert count.call(BEFORE, "als").label == "count-als"


class Source:
    """Stands for another state of the source."""

    def __init__(self) -> None:
        self.asked: tuple[str, ...] = ()

    def hash(self, *modules: str) -> str:
        self.asked = modules
        return "other"


def test_the_source_and_the_library_versions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = count.bind(BEFORE, "als")
    plain = count.cache_key(arguments, clean_key="clean")
    assert plain != count.cache_key(arguments, clean_key="clean", source=Source())  # type: ignore[arg-type]
    monkeypatch.setattr("tasks.storage.stage.library_versions", lambda: {"numpy": "another"})
    assert plain != count.cache_key(arguments, clean_key="clean")


def test_modules_that_a_call_also_runs_are_hashed() -> None:
    @stage("count", also_runs=lambda given: (f"models.{given['name']}",))
    def runs_a_model(name: str, *, key: str, folder: Path) -> Made:
        return Made(key, folder, 1)

    source = Source()
    runs_a_model.cache_key(runs_a_model.bind("als"), clean_key=None, source=source)  # type: ignore[arg-type]
    assert source.asked == (__name__, "models.als")


def test_promises_given_by_keyword_are_awaited_too() -> None:
    class Later:
        model = "als"

        def succeeded(self) -> bool:
            return True

        def result(self) -> Made:
            return BEFORE

    call = count.call(name="als", before=Later())
    assert len(call.awaited) == 1
    assert call.arguments()["before"] is BEFORE
