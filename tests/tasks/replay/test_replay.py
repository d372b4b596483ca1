"""A replay of a small world: stopped, continued, without a trace outside its folder, and blind to the future."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.artifacts import CleanData, FittedModel
from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import LockedError, NightError
from tasks.replay.night import ReplayedNight, Served, new_record, replay_night
from tasks.replay.plan import BASE, CHAMPION, Plan, Variant, make_plan
from tasks.replay.replay import Replay, replay
from tasks.replay.summary import Outcome, day_rows, summarise, write_csv
from tasks.storage.home import Home, locked, open_home
from tasks.storage.run_records import Run, Runs
from tests.tasks.replay.conftest import MONTH, SETTINGS, DayWatcher, plan_of

SHELF = ("popularity", "item_knn", "als")
LISTS = ("recommendations", "similar_items", "fallback_recommendations", "items")


def times_of(world: Path) -> list[int]:
    with (world / "ratings.csv").open(encoding="utf-8", newline="") as file:
        return sorted(int(row["timestamp"]) for row in csv.DictReader(file))


def first_day(world: Path, share: float = 0.6) -> datetime:
    """Return a midnight before which there is this share of the ratings."""
    times = times_of(world)
    return datetime(1970, 1, 1) + timedelta(days=times[int(len(times) * share)] // 86_400)


def files_of(home: Home) -> set[str]:
    """Return all files of a home outside the replays and the warehouse."""
    return {
        path.relative_to(home.path).as_posix()
        for path in home.path.rglob("*")
        if path.is_file() and not path.name.startswith("warehouse") and "replays" not in path.parts
    }


@dataclass
class Replayed:
    """A replay of three days that was stopped after the first, and continued."""

    home: Home
    plan: Plan
    found: Replay
    stopped: DayWatcher
    continued: DayWatcher
    first_file: bytes


def variants() -> tuple[Variant, ...]:
    bigger = load_settings(None, (*SETTINGS, "models.als.factors=12"))
    base = load_settings(None, SETTINGS)
    return Variant("rarely", base, 2 * MONTH), Variant("bigger", bigger, MONTH)


@pytest.fixture(scope="module")
def replayed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    home = open_home(str(world), tmp_path_factory.mktemp("replay") / "home", "tiny")
    plan = plan_of(first_day(world), 3, *variants())
    stopped, continued = DayWatcher(interrupt_after=1), DayWatcher()
    with pytest.raises(KeyboardInterrupt):
        replay(home, plan, stopped)
    [file] = home.replays.glob(f"*/days/{plan.since:%Y%m%d}*.parquet")
    before = file.read_bytes()
    found = replay(home, plan, continued)
    assert file.read_bytes() == before
    return Replayed(home, plan, found, stopped, continued, before)


@pytest.fixture(scope="module")
def outcome(replayed: Replayed) -> Outcome:
    return summarise(replayed.found)


def test_a_stopped_replay_goes_on_where_it_stopped(replayed: Replayed) -> None:
    assert [day.day for day in replayed.stopped.days] == list(replayed.plan.days[:1])
    assert replayed.continued.done_before == 1
    assert [day.day for day in replayed.continued.days] == list(replayed.plan.days[1:])
    assert [day.day for day in replayed.found.days] == list(replayed.plan.days)
    assert (replayed.stopped.left, replayed.continued.left) == ([None], [None, 0.0])


def test_a_finished_replay_is_only_read(replayed: Replayed) -> None:
    again = DayWatcher()
    assert replay(replayed.home, replayed.plan, again).days == replayed.found.days
    assert (again.done_before, again.days) == (3, [])


def test_nothing_is_published_and_no_night_recorded(replayed: Replayed) -> None:
    assert files_of(replayed.home) == {"home.json", "lock", "replay.lock"}
    assert replayed.home.id_types() is None
    assert Runs(replayed.home.runs).all() == []


def test_only_the_last_lists_and_fits_are_kept(replayed: Replayed) -> None:
    results = replayed.found.results
    kept = {path.relative_to(results.store.root).as_posix() for path in results.store.root.glob("*/*")}
    served = replayed.found.days[-1].served
    lists = {artifact for each in served.values() for artifact in each.lists.values()}
    assert {artifact for artifact in kept if artifact.startswith("recommend/")} == lists
    fits = [artifact.removeprefix("fit/") for artifact in kept if artifact.startswith("fit/")]
    found = [results.store.find("fit", key, FittedModel) for key in fits]
    assert {None if fit is None else fit.model for fit in found} == {"als"}
    assert {artifact.partition("/")[0] for artifact in kept} == {"recommend", "fit", "utility"}
    assert not list((replayed.home.replays / "work").iterdir())


def test_every_single_model_has_lists_beside_the_champion(replayed: Replayed) -> None:
    for day in replayed.found.days:
        base = day.served[BASE]
        assert set(base.lists) == {CHAMPION, *SHELF}
        assert base.lists[CHAMPION] == base.lists[base.champion]
        assert len(set(base.lists.values())) == 3
        assert all(0 < base.seconds[model] < base.seconds[CHAMPION] for model in SHELF)


def test_a_champion_defends_its_place_on_later_nights(replayed: Replayed) -> None:
    runs = Runs(replayed.found.results.records(BASE)).all()[::-1]
    first, second, third = (run.summary.decision for run in runs)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.incumbent, second.incumbent, third.incumbent) == (None, runs[0].champion, runs[1].champion)
    assert [run.expected_live for run in runs] == [None, runs[0].run_id, runs[1].run_id]


def fit_notes(found: Replay, variant: str, model: str = "als") -> list[list[str]]:
    """Return, for each night of a variant, how its fits of a model started."""
    return [
        [stage.note for stage in run.stages if (stage.stage, stage.model) == ("fit", model)]
        for run in reversed(Runs(found.results.records(variant)).all())
    ]


FIRST = ["cold: there is no earlier night to start from", "warm: from tonight's fit before the cutoff"]
"""How als starts on the first night, before the cutoff and on everything."""


def test_fits_start_from_the_variants_own_earlier_night(replayed: Replayed) -> None:
    """On both sides of the cutoff; `rarely` has no night on the second day."""
    first, second, _ = (f"warm: from run {day:%Y%m%d%H%M%S}" for day in replayed.plan.days)
    assert fit_notes(replayed.found, BASE) == [FIRST, [first] * 2, [second] * 2]
    assert fit_notes(replayed.found, "rarely") == [FIRST, [first] * 2]
    assert fit_notes(replayed.found, "bigger") == [FIRST, [first] * 2, [second] * 2]


def test_a_replay_goes_on_only_with_the_fits_it_starts_from(replayed: Replayed) -> None:
    results, last = replayed.found.results, replayed.found.days[-1]
    fit = next(artifact for artifact in last.served[BASE].starts if artifact.startswith("fit/"))
    assert results.has_artifacts_of(last)
    moved = (results.store.root / fit).rename(results.folder / "elsewhere")
    try:
        assert not results.has_artifacts_of(last)
    finally:
        moved.rename(results.store.root / fit)


def test_a_variant_serves_its_lists_for_longer(replayed: Replayed) -> None:
    first, second, third = (day.served["rarely"] for day in replayed.found.days)
    assert second == first
    assert third.as_of == replayed.plan.days[2]
    assert [day.nights for day in replayed.found.days] == [
        (BASE, "rarely", "bigger"), (BASE, "bigger"), (BASE, "rarely", "bigger"),
    ]  # fmt: skip


def test_equal_stages_are_shared_between_variants(replayed: Replayed) -> None:
    """Lists are equal where models are, and the times are those of when they were made."""
    day = replayed.found.days[0]
    base, bigger = day.served[BASE], day.served["bigger"]
    same = [model for model in SHELF if base.lists[model] == bigger.lists[model]]
    assert same == ["popularity", "item_knn"]
    assert base.lists == day.served["rarely"].lists
    assert base.seconds == day.served["rarely"].seconds
    record = Runs(replayed.found.results.records("bigger")).all()[0]
    stored = {(stage.stage, stage.model): stage.stored for stage in record.stages}
    assert stored["fit", "item_knn"]
    assert not stored["fit", "als"]


def test_all_columns_are_judged_by_the_same_users(replayed: Replayed) -> None:
    for day in replayed.found.days:
        path = replayed.found.results.users_of(day)
        assert path is not None
        rows = pq.read_table(path).to_pylist()
        users: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for row in rows:
            users.setdefault((row["variant"], row["model"]), []).append((row["user_id"], row["n_positives"]))
        assert len(users) == 12
        assert len({tuple(each) for each in users.values()}) == 1
        assert len(next(iter(users.values()))) == day.n_users > 5


def test_the_table_compares_with_base(replayed: Replayed, outcome: Outcome) -> None:
    rows = {(row.variant, row.model): row for row in outcome.columns}
    assert ("bigger", "als") in rows
    assert ("bigger", "item_knn") not in rows
    assert ("rarely", "popularity") in rows
    assert rows[BASE, "als"].against == (BASE, CHAMPION)
    assert rows["rarely", "als"].against == (BASE, "als")
    visits = sum(day.n_users for day in replayed.found.days)
    for row in outcome.columns:
        assert row.mean is not None
        assert row.n_user_days == visits
        assert row.mean.low <= row.mean.mean <= row.mean.high
    for variant, model in (("rarely", "als"), ("bigger", "als"), (BASE, "popularity")):
        row = rows[variant, model]
        other = rows[row.against]  # type: ignore[index]
        assert row.difference is not None
        assert row.mean is not None
        assert other.mean is not None
        assert row.difference.mean == pytest.approx(row.mean.mean - other.mean.mean, abs=1e-12)


def test_the_rows_of_the_csv_average_to_the_table(replayed: Replayed, outcome: Outcome) -> None:
    rows = day_rows(replayed.found)
    assert len(rows) == 3 * 12 * 6
    for column in outcome.columns:
        own = [
            row for row in rows
            if (row["variant"], row["model"], row["metric"], row["k"]) == (column.variant, column.model, "ndcg", 10)
        ]  # fmt: skip
        mean = sum(row["value"] * row["n_users"] for row in own) / sum(row["n_users"] for row in own)
        assert column.mean is not None
        assert column.mean.mean == pytest.approx(mean, abs=1e-12)
        assert column.hits == sum(row["hits"] for row in own)
    written = write_csv(replayed.found).read_text(encoding="utf-8").splitlines()
    assert len(written) == len(rows) + 1


@pytest.mark.slow
def test_a_later_end_adds_days(replayed: Replayed, tmp_path: Path) -> None:
    home = open_home(None, shutil.copytree(replayed.home.path, tmp_path / "home"))
    longer = plan_of(replayed.plan.since, 4, *variants())
    watcher = DayWatcher()
    found = replay(home, longer, watcher)
    assert watcher.done_before == 3
    assert len(found.days) == 4


class KilledInFit(DayWatcher):
    """A watcher that interrupts when a fit of `als` has ended, the fourth: the refit of the second night."""

    def __init__(self) -> None:
        super().__init__()
        self.fits = 0

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        super().finished(stage, model, seconds, note)
        self.fits += (stage, model) == ("fit", "als")
        if self.fits == 4:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_replay_killed_within_a_night_gives_the_same(world: Path, tmp_path: Path) -> None:
    settings, since = load_settings(None, (*SETTINGS, "models.shelf=als")), first_day(world)
    plan = make_plan(since, since + 2 * MONTH, MONTH, MONTH, (Variant(BASE, settings, MONTH),))
    homes = [open_home(str(world), tmp_path / name, "tiny") for name in ("whole", "killed")]
    with pytest.raises(KeyboardInterrupt):
        replay(homes[1], plan, KilledInFit())
    whole, killed = (replay(home, plan, DayWatcher()) for home in homes)
    warm = f"warm: from run {since:%Y%m%d%H%M%S}"
    assert fit_notes(whole, BASE)[1] == [warm, warm]
    for one, other in zip(whole.days, killed.days, strict=True):
        assert one.served[BASE].lists == other.served[BASE].lists
        files = whole.results.users_of(one), killed.results.users_of(other)
        assert None not in files
        assert pq.read_table(files[0]).equals(pq.read_table(files[1]))


def test_a_change_without_effect_on_lists_goes_on(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of messages, files for monitoring, limits of checks, and a trial's challenger."""
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://user:hunter2@elsewhere")
    changed = (
        *SETTINGS, "monitoring.metrics_file=a.prom", "notify.max_seconds=3", "check.min_overlap=0.5",
        "models.tuned=false", "data.settle_seconds=5", "data.max_set_aside_share=0.5", "run.parallel_fits=2",
        'publish.trial={model="bpr"}',
    )  # fmt: skip
    base = replace(replayed.plan.variants[0], settings=load_settings(None, changed))
    plan, again = replace(replayed.plan, variants=(base, *replayed.plan.variants[1:])), DayWatcher()
    assert replay(replayed.home, plan, again).results.folder == replayed.found.results.folder
    assert again.done_before == 3


def test_a_night_records_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://user:hunter2@elsewhere")
    variant = Variant(BASE, load_settings(None, SETTINGS), MONTH)
    data = CleanData("k", (), "BIGINT", "BIGINT", datetime(2020, 1, 2), 1, 1)
    new_record(Runs(tmp_path), variant, datetime(2020, 1, 1), data, dataset="tiny", live=None)
    [file] = tmp_path.rglob("run.json")
    text = file.read_text(encoding="utf-8")
    assert '"notify"' not in text
    assert '"warm_start"' in text


def test_a_second_replay_in_the_home_is_refused(replayed: Replayed) -> None:
    with locked(replayed.home, "replay"), pytest.raises(LockedError, match="Another replay is running"):
        replay(replayed.home, replayed.plan, DayWatcher())


def test_a_night_may_run_meanwhile(replayed: Replayed, tmp_path: Path) -> None:
    """After its beginning the replay holds neither the home's lock nor the warehouse."""
    home = open_home(None, shutil.copytree(replayed.home.path, tmp_path / "home"))
    entered = []

    class Meanwhile(DayWatcher):
        def replay_started(self, days: int, done: int, folder: Path) -> None:
            super().replay_started(days, done, folder)
            with locked(home):
                entered.append(done)

    replay(home, replayed.plan, Meanwhile())
    assert entered == [3]


def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[datetime], bool]) -> None:
    """Let the nights of some days fail."""

    def night_or_error(night: ReplayedNight) -> Served:
        if fails(night.as_of):
            raise NightError("No model is left: als: it diverged.")
        return replay_night(night)

    monkeypatch.setattr("tasks.replay.replay.replay_night", night_or_error)


def test_lists_stay_when_a_night_fails(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, since = open_home(str(world), tmp_path / "home", "tiny"), first_day(world)
    settings = load_settings(None, (*SETTINGS, "models.shelf=popularity"))
    plan = make_plan(since, since + 2 * MONTH, MONTH, MONTH, (Variant(BASE, settings, MONTH),))
    failing(monkeypatch, lambda day: day > since)
    first, second = replay(home, plan, DayWatcher()).days
    assert second.served == first.served
    assert second.failures == {BASE: "No model is left: als: it diverged."}
    assert second.n_users > 0
    assert Runs(next(home.replays.glob("*/nights")) / BASE).all()[0].status == "failed"


def test_a_replay_without_any_lists_is_an_error(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home(str(world), tmp_path / "home", "tiny")
    failing(monkeypatch, lambda _: True)
    with pytest.raises(NightError, match="No replayed night could make lists: No model is left: als"):
        replay(home, plan_of(first_day(world), 2), DayWatcher())


# -- the future -----------------------------------------------------------------------------------------


def poisoned(world: Path, folder: Path, day: datetime) -> Path:
    """Copy a world; from `day` on all dislike what they liked, and strangers praise items that came later."""
    shutil.copytree(world, folder)
    moment = int((day - datetime(1970, 1, 1)).total_seconds())
    with (world / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["timestamp"]) < moment]
    with (folder / "ratings.csv").open("a", encoding="utf-8", newline="") as file:
        for place, row in enumerate(rows):
            file.write(f"{row['userId']},{row['movieId']},{5.5 - float(row['rating'])},{moment + place}\n")
        for stranger in range(9000, 9060):
            file.writelines(
                f"{stranger},{item},5.0,{moment + stranger}\n" for item in ("0", "1", "777", "778")
            )
        file.writelines(f"word{place},1,5.0,{moment}\n" for place in range(250))  # an id may be no integer
    with (folder / "movies.csv").open("a", encoding="utf-8", newline="") as file:
        for item, genres in ((0, "Drama"), (777, "Drama|Comedy"), (778, "Western")):
            file.write(f"{item},Later {item},{genres},Somebody,2030\n")
    return folder


@pytest.fixture(scope="module")
def both_futures(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Home, Replay]]:
    """Replays of two days: of a world with users enough for a blend, and of the same with a poisoned future.

    The second night starts from the first. The poisoned home also has a night, whose fits have seen everything.
    """
    folder = tmp_path_factory.mktemp("futures")
    world = folder / "world"
    generate_demo(world, users=500, items=150, ratings=12_000, tags=300, seed=7)
    day = first_day(world)
    worlds = (world, poisoned(world, folder / "poisoned", day))
    homes = [open_home(str(each), folder / f"home {place}", "tiny") for place, each in enumerate(worlds)]
    with_blend = Variant(BASE, load_settings(None, (*SETTINGS, "blend.enabled=true")), MONTH)
    plan = make_plan(day - MONTH, day + MONTH, MONTH, MONTH, (with_blend,))
    published = Run(1, "f", "tiny", day, 42, None, "published", as_of=day - 2 * MONTH)
    published.summary.snapshots = {"judged": "s", "refit": "t"}
    published.summary.fits = {"s": {"als": "a"}, "t": {"als": "b"}}
    Runs(homes[1].runs).save(published)
    return [(home, replay(home, plan, DayWatcher())) for home in homes]


def test_a_poisoned_future_changes_no_list(both_futures: list[tuple[Home, Replay]]) -> None:
    plain, poison = (found.days[1].served[BASE] for _, found in both_futures)
    assert plain.champion == poison.champion
    roots = [found.results.store.root for _, found in both_futures]
    assert {CHAMPION, *SHELF, "blend"} <= plain.lists.keys()
    for model in plain.lists:
        for name in LISTS:
            one, other = (
                pq.read_table(root / lists.lists[model] / f"{name}.parquet")
                for root, lists in zip(roots, (plain, poison), strict=True)
            )
            assert one.equals(other), (model, name)
            assert one.num_rows > 0


def test_fits_start_from_no_night_of_the_home(both_futures: list[tuple[Home, Replay]]) -> None:
    plain, poison = (fit_notes(found, BASE) for _, found in both_futures)
    first = both_futures[0][1].days[0].day
    warm = f"warm: from run {first:%Y%m%d%H%M%S}"
    assert plain == poison == [FIRST, [warm] * 2]


def test_the_future_does_change_the_outcome(both_futures: list[tuple[Home, Replay]]) -> None:
    """Else the poison would not have been there."""
    plain, poison = (found.days[1].n_users for _, found in both_futures)
    assert plain != poison
