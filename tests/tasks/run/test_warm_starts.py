"""Nights that start from the fits of the night before: which fits, when not, and what is kept for it.

Nights here take in data, cut, fit one model on both snapshots, and end as published. One first night is shared: every
test gets a copy of its home.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.factors.als import ALS
from models.interactions import Interactions
from models.warm_start import WarmStart
from tasks.artifacts import FittedModel, Snapshot, WarmFit
from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.monitoring.events import SilentWatcher
from tasks.reporting.run_artifacts import find_artifacts
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.run.warm_starts import is_turn
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Run, Runs, WarmPlan
from tasks.training.load_model import load_model
from tasks.training.warm_start import earlier_rows, read_warm_start

SETTINGS = ("models.shelf=als", "models.als.factors=8", "blend.enabled=false", "ranking.enabled=false")
LATER = 0.02  # share of the ratings that only the second night has
NEVER = "warm_start.cold_every=1000"


class Fits(NamedTuple):
    """The fits of a night; `refit` is None if only the fit before the cutoff was asked for."""

    run: Run
    before: Snapshot
    judged: FittedModel
    refit: FittedModel | None


def fit_als(found: list[Fits], *, refit: bool = False, interrupt: bool = False) -> Callable[[Night], None]:
    """Return a flow that fits als before the cutoff and, if asked, on everything; it may be interrupted before that."""

    def flow(night: Night) -> None:
        dag.take_in(night)
        before, _ = dag.cut(night)
        judged = night.run(dag.fit_call(night, before, "als"))
        if interrupt:
            raise KeyboardInterrupt
        found.append(Fits(night.record, before, judged, dag.Refits(night).get("als") if refit else None))
        night.verdict, night.reason = "published", ""

    return flow


def a_night(
    home: Home, *overrides: str, refit: bool = False, as_of: datetime | None = None, force: bool = False
) -> Fits:
    found: list[Fits] = []
    settings = load_settings(None, (*SETTINGS, NEVER, *overrides))
    run_night(home, settings, fit_als(found, refit=refit), SilentWatcher(), as_of=as_of, force=force)
    return found[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the data without the newest ratings, these apart, and a home whose first night is over."""
    place = tmp_path_factory.mktemp("warm")
    generate_demo(place / "data", users=120, items=100, ratings=4000, tags=0, seed=7)
    header, *ratings = (place / "data/ratings.csv").read_text().splitlines()
    ratings.sort(key=lambda row: int(row.rsplit(",", 1)[1]))
    n_early = int(len(ratings) * (1 - LATER))
    for name, rows in (("data/ratings.csv", ratings[:n_early]), ("all.csv", ratings)):
        (place / name).write_text("\n".join([header, *rows]) + "\n")
    a_night(open_home(str(place / "data"), place / "home"), refit=True)
    return place


@pytest.fixture
def home(shared: Path, tmp_path: Path) -> Home:
    """Return a home whose first night is over, and whose input holds newer ratings since."""
    shutil.copytree(shared, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "all.csv", tmp_path / "data/ratings.csv")
    return open_home(str(tmp_path / "data"), tmp_path / "home", "data")


def first_run(home: Home) -> Run:
    return Runs(home.runs).all()[-1]


def notes(run: Run) -> list[str]:
    """Return the notes of the fits of als, those before the cutoff first."""
    return [time.note for time in run.stages if (time.stage, time.model) == ("fit", "als")]


def test_the_first_night_is_cold_to_the_bit(shared: Path) -> None:
    first = first_run(open_home(None, shared / "home"))
    assert notes(first) == [
        "cold: there is no earlier night to start from",
        "warm: from tonight's fit before the cutoff",
    ]
    key = first.summary.snapshots["judged"]
    folder = shared / "home/artifacts"
    cold = ALS(load_settings(None, SETTINGS).models.config("als"))
    cold.fit(Interactions.load(folder / "utility" / key), seed=42)
    fitted = ALS.load(folder / "fit" / first.summary.fits[key]["als"])
    assert np.array_equal(fitted.user_factors_, cold.user_factors_)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[WarmFit]:
    """Return what the fits of als start from, in their order."""
    seen: list[WarmFit] = []

    def spy(warm_start: WarmFit, model: Recommender) -> WarmStart | None:
        if model.name == "als":
            seen.append(warm_start)
        return read_warm_start(warm_start, model)

    monkeypatch.setattr("tasks.training.fit.read_warm_start", spy)
    return seen


def earlier_fits(run: Run) -> list[str]:
    """Return the keys of a run's fits of als: judged, refit."""
    return [run.summary.fits[run.summary.snapshots[side]]["als"] for side in ("judged", "refit")]


def test_each_fit_starts_from_its_counterpart(home: Home, chosen: list[WarmFit]) -> None:
    first, night = first_run(home), a_night(home, refit=True)
    assert night.refit is not None
    assert notes(night.run) == [f"warm: from run {first.run_id}"] * 2
    assert [each.key for each in chosen] == earlier_fits(first)
    assert [night.judged.key, night.refit.key] == earlier_fits(night.run)
    cold = ALS(load_settings(None, SETTINGS).models.config("als"))
    cold.fit(Interactions.load(night.before.folder), seed=42)
    warm = load_model(night.judged)
    assert not np.array_equal(warm.user_factors_, cold.user_factors_)


def test_reports_find_the_nights_own_fits(home: Home) -> None:
    night = a_night(home, refit=True)
    found = find_artifacts(Store(home.artifacts), night.run)
    assert (found.judged, found.fits["als"], found.refits["als"]) == (night.before, night.judged, night.refit)


def test_the_fits_of_the_night_before_are_kept_with_a_run(home: Home) -> None:
    """With one run kept, those of the night before are needed to repeat the night; its split is not."""
    first = first_run(home)
    [split] = [name for name in first.artifacts if name.startswith("split/")]
    a_night(home, "publish.keep_runs=1")
    for key in earlier_fits(first):
        assert (home.artifacts / "fit" / key / "manifest.json").exists()
    assert not (home.artifacts / split).exists()


def test_a_fit_that_saw_held_out_pairs_is_not_used(home: Home) -> None:
    """Plant a leak: the record of the first night gives its refit on everything for the fit before the cutoff."""
    first = first_run(home)
    first.summary.snapshots["judged"] = first.summary.snapshots["refit"]
    Runs(home.runs).save(first)
    judged, refit = notes(a_night(home, refit=True).run)
    assert re.fullmatch(rf"cold: run {first.run_id} has seen \d+ pairs that are held out tonight", judged)
    assert refit == f"warm: from run {first.run_id}"


def newest_pair_unknown_to(before: Path, everything: Path) -> tuple[int, int]:
    """Return the row and column in `before` of the newest pair of known rows that only `everything` holds."""
    data, later = Interactions.load(before), Interactions.load(everything)
    users, items = (earlier_rows(before, everything, side) for side in ("user", "item"))
    pairs = later.timestamp.tocoo()
    for at in np.argsort(-pairs.data, kind="stable"):
        user, item = users[pairs.row[at]], items[pairs.col[at]]
        if min(user, item) >= 0 and not data.seen[user, item]:
            return int(user), int(item)
    raise AssertionError


def test_a_single_leaked_pair_makes_the_fit_cold(home: Home) -> None:
    """Plant one held-out pair in the matrix of the first night's snapshot, with its manifest made good again."""
    first = first_run(home)
    folder = home.artifacts / "utility" / first.summary.snapshots["judged"]
    seen = sparse.load_npz(folder / "seen.npz").tolil()
    user, item = newest_pair_unknown_to(folder, home.artifacts / "utility" / first.summary.snapshots["refit"])
    seen[user, item] = 1
    sparse.save_npz(folder / "seen.npz", sparse.csr_array(seen), compressed=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["seen.npz"] = hashlib.sha256((folder / "seen.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert (
        notes(a_night(home).run)[0] == f"cold: run {first.run_id} has seen 1 pairs that are held out tonight"
    )


def test_a_night_of_later_data_is_not_started_from(home: Home, chosen: list[WarmFit]) -> None:
    first = first_run(home)
    assert first.as_of is not None
    night = a_night(home, as_of=first.as_of - timedelta(days=1))
    assert notes(night.run) == ["cold: there is no earlier night to start from"]
    assert not any(each.key for each in chosen)


def test_a_plan_for_a_night_of_later_data_is_refused(home: Home) -> None:
    """The plan is made before the data are read, so that their end is compared again."""
    first = first_run(home)
    assert first.as_of is not None
    first.as_of += timedelta(days=4000)
    Runs(home.runs).save(first)
    assert "has seen data up to" in notes(a_night(home).run)[0]


def test_a_resumed_night_starts_from_the_same_fits(home: Home, chosen: list[WarmFit]) -> None:
    first, settings = first_run(home), load_settings(None, (*SETTINGS, NEVER))
    with pytest.raises(KeyboardInterrupt):
        run_night(home, settings, fit_als([], interrupt=True), SilentWatcher())
    runs = Runs(home.runs)
    stopped = runs.all()[0]
    assert stopped.warm_plan == WarmPlan(first.run_id, 1)
    assert {f"fit/{key}" for key in earlier_fits(first)} <= {*stopped.borrowed}, (
        "they are not removed meanwhile"
    )
    newer = replace(first, run_id=first.run_id + 1)  # a night that the plan does not name
    runs.save(newer)
    night = a_night(home, refit=True)
    assert night.run.run_id == stopped.run_id
    assert notes(night.run) == [f"warm: from run {first.run_id}"] * 2
    assert [time.stored for time in night.run.stages if time.model == "als"] == [True, False]


def test_a_night_on_the_same_data_uses_the_stored_fits(home: Home) -> None:
    second = a_night(home)
    third = a_night(home, force=True)
    assert third.judged == second.judged
    assert all(time.stored for time in third.run.stages if time.stage == "fit")
    assert third.run.warm_plan == WarmPlan(second.run.run_id, 2)


def test_equal_nights_have_equal_bits(home: Home, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(home.path, copied)
    fits = [a_night(each).judged for each in (home, open_home(None, copied))]
    assert fits[0].key == fits[1].key
    assert np.array_equal(*(load_model(each).item_factors_ for each in fits))


@pytest.mark.parametrize("damage", ["fit", "utility"])
def test_damaged_artifacts_make_the_fit_cold(home: Home, damage: str) -> None:
    first = first_run(home)
    key = earlier_fits(first)[0] if damage == "fit" else first.summary.snapshots["judged"]
    name = "arrays.npz" if damage == "fit" else "seen.npz"
    (home.artifacts / damage / key / name).write_bytes(b"nothing")
    judged, refit = notes(a_night(home, refit=True).run)
    assert re.fullmatch(rf"cold: .* of run {first.run_id} (is|are) gone or damaged", judged)
    assert refit == f"warm: from run {first.run_id}"


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("models.als.factors=9", "cold: run .* fitted it with other hyperparameters"),
        ("warm_start.enabled=false", "cold: warm_start.enabled is false"),
        ("warm_start.cold_every=1", "cold: its turn, once in 1 nights"),
        (
            "warm_start.max_changed_share=0.001",
            r"cold: .*% of the pairs are new or gone since run .* is 0\.1%",
        ),
        ("utility.relevant_rating=4", r"cold: run .* had another \[utility\]"),
    ],
)
def test_settings_make_fits_cold(home: Home, override: str, why: str) -> None:
    for note in notes(a_night(home, override).run):
        assert re.fullmatch(why, note), note


def test_a_cold_refit_can_start_from_tonights_fit(home: Home, chosen: list[WarmFit]) -> None:
    night = a_night(home, "warm_start.cold_every=1", refit=True)
    assert notes(night.run) == [
        "cold: its turn, once in 1 nights",
        "warm: from tonight's fit before the cutoff",
    ]
    assert [(each.key, each.effort) for each in chosen] == [("", 1), (night.judged.key, 2)]


@pytest.mark.parametrize("allowed", ["[]", "false", '["bpr"]'])
def test_a_refit_that_may_not_start_from_tonight_is_cold(home: Home, allowed: str) -> None:
    both = ("warm_start.cold_every=1", f"warm_start.refit_from_tonight={allowed}")
    assert notes(a_night(home, *both, refit=True).run) == ["cold: its turn, once in 1 nights"] * 2


def test_snapshots_of_one_night_are_compared_only_at_need(home: Home) -> None:
    """Each comparison is a stage; the first one matches the rows with the night before, the second those of refits."""
    for override, compared in (
        (NEVER, 2),
        ("warm_start.cold_every=1", 3),
        ("models.shelf=als,popularity", 2),
    ):
        run = a_night(home, override, refit=True).run
        assert [time.stage for time in run.stages].count("earlier_rows") == compared, override


def test_another_version_of_the_code_makes_the_fit_cold(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.run.warm_starts.source_of", lambda name: f"a new {name}")
    run_id = first_run(home).run_id
    assert notes(a_night(home).run) == [f"cold: run {run_id} fitted it with another version of its code"]


def test_a_failed_comparison_makes_fits_cold(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr("tasks.preparation.earlier_rows.earlier_rows", fail)
    night = a_night(home)
    assert night.run.status == "published"
    assert "could not be compared with those of run" in notes(night.run)[0]


def test_nights_that_were_held_back_are_passed_over(home: Home) -> None:
    first = first_run(home)
    first.status = "check_failed"
    Runs(home.runs).save(first)
    assert notes(a_night(home).run)[0] == "cold: there is no earlier night to start from"


def test_each_model_is_fitted_cold_once_in_so_many_nights() -> None:
    for model in ("als", "bpr", "lightgcn"):
        for begin in range(20):
            assert sum(is_turn(model, night, 7) for night in range(begin, begin + 7)) == 1
    turns = {
        next(night for night in range(7) if is_turn(model, night, 7))
        for model in ("als", "bpr", "mf", "lightgcn", "ngcf")
    }
    assert len(turns) > 2, "not all models in the same night"
