"""Trials of one model. A known function of the settings replaces fits; Optuna's storage is real."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.base import DivergedError
from models.registry import config_class
from tasks.config.settings import ModelsSettings, Settings
from tasks.errors import NightError
from tasks.storage.cache_key import SourceTree
from tasks.tuning.search import Search
from tasks.tuning.tune import _storage
from tasks.tuning.window import Window

SPACE = config_class("als").search_space
GUIDES = np.array([True, False, True, False])
WINDOW = Window("data", datetime(2026, 11, 21), "why", whole="whole", small="small", guides=GUIDES)


def value(config):
    """Return the score of settings: highest at alpha 50 and few factors, on both parts of the window."""
    return -abs(np.log(config["alpha"] / 50)) - config["factors"] / 1000


@pytest.fixture
def storage(tmp_path):
    home = SimpleNamespace(tuning=tmp_path)
    with _storage(home) as opened:
        yield opened


class InstantSearch(Search):
    """A search whose fits take no time."""

    fits: list

    def _values(self, part, drawn, progress):
        self.fits = [*getattr(self, "fits", []), part]
        return np.full(4, value(self.config.model_dump() | drawn))


def search(storage, folder: Path, *, kind=InstantSearch, window=WINDOW, model="als", space=SPACE, **settings):
    return kind(model, space, window, Settings(**settings), storage, folder)


def run(searched, n):
    return [searched.try_next(lambda number, part: None) for _ in range(n)]


def test_default_and_earlier_settings_are_tried_first(storage, tmp_path):
    earlier = {"factors": 40, "alpha": 45.0, "regularization": 20.0, "degree_exponent": 0.1}
    searched = search(storage, tmp_path)
    searched.begin({**earlier, "vanished": 3})
    first, second = run(searched, 2)
    assert (first.origin, first.settings["factors"], first.settings["alpha"]) == ("default", 256, 20.0)
    assert (second.origin, second.settings, second.best) == ("earlier", earlier, True)
    assert searched.has_judged(earlier)
    assert not searched.has_judged(earlier | {"factors": 41})
    again = search(storage, tmp_path)
    again.begin(earlier)
    assert run(again, 1)[0].origin == "", "neither is tried a second time"


def test_defaults_of_none_are_left_to_the_model(storage, tmp_path):
    space = config_class("item_knn").search_space
    searched = search(storage, tmp_path, model="item_knn", space=space, kind=type("K", (InstantSearch,), {
        "_values": lambda self, part, drawn, progress: np.full(2, float("k" in drawn))
    }))  # fmt: skip
    searched.begin({})
    default, drawn = run(searched, 2)
    assert "k" not in default.settings
    assert default.settings["similarity"] == "cosine"
    assert 20 <= drawn.settings["k"] <= 2000


@pytest.mark.slow
def test_trials_depend_only_on_seed_and_earlier_trials(tmp_path):
    found = {}
    for name, parts, seed in (("at once", (12,), 42), ("in parts", (4, 8), 42), ("other seed", (3,), 43)):
        folder = tmp_path / name
        folder.mkdir()
        found[name] = []
        for n in parts:
            with _storage(SimpleNamespace(tuning=folder)) as storage:
                space = {field: SPACE[field] for field in ("factors", "alpha")}
                searched = search(storage, folder, space=space, run={"seed": seed})
                searched.begin({})
                found[name] += [(t.settings, t.outcome, t.score) for t in run(searched, n)]
    assert found["at once"] == found["in parts"]
    assert found["at once"][1:3] != found["other seed"][1:]


def test_only_the_best_third_is_fitted_on_the_whole_window(storage, tmp_path):
    searched = search(storage, tmp_path)
    searched.begin({})
    trials = run(searched, 12)
    small = [value(trial.settings) for trial in trials]
    for n, trial in enumerate(trials):
        among_best = small[n] >= sorted(small[: n + 1], reverse=True)[max((n + 1) // 3, 1) - 1]
        assert trial.outcome == ("complete" if among_best or trial.origin else "pruned")
    assert searched.fits.count("whole") == sum(trial.outcome == "complete" for trial in trials)
    assert searched.fits.count("small") == 12
    assert (searched.n_tried, searched.n_pruned) == (12, 12 - searched.fits.count("whole"))
    assert searched.n_pruned > 0


def test_settings_of_an_earlier_tune_are_never_pruned(storage, tmp_path):
    searched = search(storage, tmp_path)
    searched.begin({"factors": 500, "alpha": 190.0, "regularization": 20.0, "degree_exponent": 0.1})
    default, earlier = run(searched, 2)
    assert earlier.score < default.score
    assert (earlier.origin, earlier.outcome) == ("earlier", "complete")


def test_trials_of_other_library_versions_are_left_alone(storage, tmp_path, monkeypatch):
    searched = search(storage, tmp_path)
    searched.begin({})
    run(searched, 1)
    assert search(storage, tmp_path).n_tried == 1
    monkeypatch.setattr("tasks.tuning.search.library_versions", lambda: {"numpy": "0.1"})
    assert search(storage, tmp_path).n_tried == 0


def test_without_a_small_part_no_trial_is_pruned(storage, tmp_path):
    searched = search(storage, tmp_path, window=replace(WINDOW, small=None))
    searched.begin({})
    assert {trial.outcome for trial in run(searched, 6)} == {"complete"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DivergedError("als: training diverged; less is safer"), "als: training diverged; less is safer"),
        (NightError("There is nothing to learn from."), "There is nothing to learn from."),
        (MemoryError("no 3 GB"), "MemoryError: no 3 GB"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_an_error_of_the_model_fails_only_its_trial(storage, tmp_path, error, message):
    class Fails(InstantSearch):
        def _values(self, part, drawn, progress):
            if drawn["alpha"] != 20:
                raise error
            return super()._values(part, drawn, progress)

    searched = search(storage, tmp_path, kind=Fails)
    searched.begin({})
    trials = run(searched, 3)
    assert [trial.outcome for trial in trials] == ["complete", "failed", "failed"]
    assert trials[1].error == message
    assert searched.best.number == searched.default.number == 0
    assert not searched.default_failed


def test_a_search_knows_that_its_default_settings_failed(storage, tmp_path):
    class Fails(InstantSearch):
        def _values(self, part, drawn, progress):
            raise DivergedError("too far")

    searched = search(storage, tmp_path, kind=Fails)
    searched.begin({})
    assert not searched.default_failed
    run(searched, 1)
    assert searched.default_failed
    assert searched.default_error == "too far"


def test_a_trial_of_a_killed_process_counts_as_failed(storage, tmp_path):
    class Dies(InstantSearch):
        def _values(self, part, drawn, progress):
            raise KeyboardInterrupt

    searched = search(storage, tmp_path, kind=Dies)
    searched.begin({})
    with pytest.raises(KeyboardInterrupt):
        run(searched, 1)
    again = search(storage, tmp_path)
    again.begin({})
    assert run(again, 1)[0].origin == "default"
    assert again.n_tried == 2


@pytest.mark.parametrize(
    "change",
    [
        {"window": replace(WINDOW, data_key="other data")},
        {"models": ModelsSettings.model_validate({"als": {"iterations": 3}})},
        {"run": {"seed": 1}},
        {"space": {"factors": SPACE["factors"]}},
    ],
    ids=["data", "settings", "seed", "space"],
)
def test_inputs_that_change_scores_begin_a_new_search(storage, tmp_path, change):
    searched = search(storage, tmp_path)
    searched.begin({})
    run(searched, 1)
    assert search(storage, tmp_path).n_tried == 1
    assert search(storage, tmp_path, **change).n_tried == 0


@pytest.mark.parametrize(
    "module", ["models.content.profiles", "models.baselines.popularity", "models.factors.als"]
)
def test_other_source_of_a_model_begins_a_new_search(storage, tmp_path, monkeypatch, module):
    """The source of the backfill models counts, too."""
    searched = search(storage, tmp_path)
    searched.begin({})
    run(searched, 1)
    genuine = SourceTree.hash
    monkeypatch.setattr(
        SourceTree, "hash", lambda tree, *modules: genuine(tree, *modules) + "edited" * (module in modules)
    )
    assert search(storage, tmp_path).n_tried == 0


class Opposed(InstantSearch):
    """A search in which what is better for guiding users is worse for the others."""

    def _values(self, part, drawn, progress):
        return super()._values(part, drawn, progress) * np.where(GUIDES, 1, -1)


def test_only_guiding_users_score_and_only_others_confirm(storage, tmp_path):
    searched = search(storage, tmp_path, kind=Opposed)
    searched.begin({"factors": 40, "alpha": 45.0, "regularization": 20.0, "degree_exponent": 0.1})
    default, best = run(searched, 2)
    assert best.best
    assert best.score == pytest.approx(value(best.settings))
    lead = searched.lead_of_best()
    assert lead.score == pytest.approx(-best.score)
    assert lead.default == pytest.approx(-default.score)
    assert lead.difference.mean == pytest.approx(default.score - best.score)
    assert lead.difference.high < 0


class Noisy(InstantSearch):
    """A search whose fits give every user a score of chance, and the settings `alpha` as their mean."""

    def _values(self, part, drawn, progress):
        noise = np.random.default_rng(int(1000 * drawn["alpha"])).normal(size=40)
        return drawn["alpha"] + noise - noise.mean()


def test_a_resumed_search_has_wider_intervals(tmp_path):
    """Each end of a search could win by chance, so the interval holds for all ends jointly."""
    window = replace(WINDOW, small=None, guides=np.arange(40) < 20)

    def until_another_is_best(searched):
        best = searched.best.number
        while searched.best.number == best:
            run(searched, 1)

    def lead(folder, *, asked_before):
        folder.mkdir()
        with _storage(SimpleNamespace(tuning=folder)) as storage:
            searched = search(storage, folder, kind=Noisy, window=window, space={"alpha": SPACE["alpha"]})
            searched.begin({})
            run(searched, 1)
            until_another_is_best(searched)
            if asked_before:
                searched.lead_of_best()
            until_another_is_best(searched)
            found = searched.lead_of_best().difference
            assert searched.lead_of_best().difference == found, "the same settings count once"
            return found

    once, twice = (lead(tmp_path / str(asked), asked_before=asked) for asked in (False, True))
    assert twice.mean == once.mean
    assert twice.high - twice.low > once.high - once.low
