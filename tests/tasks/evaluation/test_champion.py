"""A champion stays until another model has beaten it clearly, on as many nights in a row as the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from models.evaluation.bootstrap import joint_intervals, paired_difference
from tasks.artifacts import Decision
from tasks.config.settings import JudgeSettings
from tasks.evaluation.champion import Standing, decide, standing
from tasks.storage.artifact_store import from_json, to_json
from tasks.storage.run_records import Run, RunSummary, Status

SETTINGS = JudgeSettings(k=(10,), bootstrap_samples=200)
ONCE = SETTINGS.model_copy(update={"wins_needed": 1})
MONDAY = datetime(2026, 6, 1)


def values(n: int = 200, **above: float) -> dict[str, np.ndarray]:
    """A metric of about .3 per user for each model, moved by what is given, each with some noise of its own."""
    users = np.random.default_rng(0).random(n) * 0.6
    noise = np.random.default_rng(1).normal(0, 0.02, (len(above), n))
    return {name: users + gain + own for (name, gain), own in zip(above.items(), noise, strict=True)}


def test_without_an_incumbent_the_best_wins_at_once() -> None:
    ranking, decision, why = decide(values(als=0, bpr=0.001, knn=-0.1), Standing(), SETTINGS, seed=1)
    assert set(ranking[:2]) == {"als", "bpr"}
    assert (decision.champion, decision.challenges) == (ranking[0], ())
    assert why.startswith(f"{ranking[0]} has the best ndcg@10 on the 200 users")


def test_an_incumbent_that_was_not_judged_gives_way_to_the_best() -> None:
    ranking, decision, why = decide(values(als=0, bpr=0.1), Standing("lightgcn"), SETTINGS, seed=1)
    assert ranking == ("bpr", "als")
    assert decision.incumbent == "lightgcn"
    assert why.endswith("the last champion, lightgcn, was not judged tonight")


def test_a_lead_that_could_be_chance_or_is_too_small_changes_nothing() -> None:
    for lead, settings in ((0.0005, ONCE), (0.02, ONCE.model_copy(update={"min_effect": 0.1}))):
        ranking, decision, why = decide(values(bpr=lead, als=0), Standing("als"), settings, seed=1)
        assert ranking == ("als", "bpr")
        assert decision.challenges[0].wins == 0
        assert why.startswith("als stays: bpr leads by +0.0")


def test_the_difference_is_the_paired_bootstraps() -> None:
    draw = {"samples": 200, "confidence": 0.95, "seed": 7}
    per_user = values(bpr=0.03, als=0, knn=-0.05)
    _, decision, _ = decide(per_user, Standing("als"), ONCE, seed=7)
    assert [each.model for each in decision.challenges] == ["bpr", "knn"]
    against = np.column_stack([per_user[name] - per_user["als"] for name in ("bpr", "knn")])
    for each, found in zip(decision.challenges, joint_intervals(against, **draw), strict=True):
        assert (each.mean, each.low, each.high) == pytest.approx(found)
    assert decision.least == pytest.approx(0.01 * per_user["als"].mean())
    del per_user["knn"]
    (alone,) = decide(per_user, Standing("als"), ONCE, seed=7)[1].challenges
    found = paired_difference(per_user["bpr"], per_user["als"], **draw)
    assert (alone.mean, alone.low, alone.high) == pytest.approx(found[:3], abs=1e-4)


@pytest.mark.parametrize("n_users", [30, 200])
def test_many_equals_win_a_night_as_seldom_as_one(n_users: int) -> None:
    """Seven challengers as good as the incumbent: with an interval for each alone some win on every seventh night."""
    rng, won = np.random.default_rng(0), 0
    for night in range(300):
        alike = rng.random(n_users) + rng.normal(0, 0.1, (8, n_users))
        named = dict(zip("abcdefgh", alike, strict=True))
        settings = ONCE.model_copy(update={"min_effect": 0})
        won += decide(named, Standing("a"), settings, seed=night)[1].champion != "a"
    assert won / 300 <= 0.08


@pytest.mark.parametrize("n_users", [1, 2, 3, 29])
def test_a_few_users_replace_no_champion(n_users: int) -> None:
    before = Standing("als", {"bpr": 2})
    ranking, decision, why = decide(values(n_users, als=0, bpr=0.2), before, SETTINGS, seed=1)
    assert (ranking, decision.challenges[0].wins) == (("als", "bpr"), 0)
    assert decision.challenges[0].low > decision.least
    users = "1 user" if n_users == 1 else f"{n_users} users"
    assert why.startswith("als stays: bpr leads by +0.")
    assert why.endswith(f"but only {users} judged, and fewer than 30 replace no champion")


def test_as_many_users_as_are_asked_for_replace_the_champion() -> None:
    before = Standing("als", {"bpr": 2})
    assert decide(values(30, als=0, bpr=0.2), before, SETTINGS, seed=1)[1].champion == "bpr"
    few = SETTINGS.model_copy(update={"min_users": 3})
    assert decide(values(3, als=0, bpr=0.2), before, few, seed=1)[1].champion == "bpr"


def test_where_nobody_has_to_be_beaten_a_few_users_choose_and_the_night_says_so() -> None:
    for incumbent in (None, "gone", "bpr"):
        _, decision, why = decide(values(3, als=0, bpr=0.2), Standing(incumbent), SETTINGS, seed=1)
        assert decision.champion == "bpr"
        assert why.endswith("; only 3 users judged, so chance decides as much as merit")
    _, _, why = decide(values(30, als=0, bpr=0.2), Standing(), SETTINGS, seed=1)
    assert "chance" not in why


def test_the_incumbent_defends_itself_against_each_model_by_itself() -> None:
    """Two models that are better in turn both keep their series; the first to complete it becomes champion."""
    before = Standing("als", {"bpr": 2, "knn": 1})
    ranking, decision, why = decide(values(knn=0.06, bpr=0.05, als=0), before, SETTINGS, seed=1)
    assert [(each.model, each.wins) for each in decision.challenges] == [("knn", 2), ("bpr", 3)]
    assert ranking == ("bpr", "knn", "als")
    assert why.startswith("bpr replaces als: better by +0.04")
    assert why.endswith("on 3 of 3 nights in a row")


def test_with_nobody_to_judge_on_the_incumbent_stays() -> None:
    for incumbent, champion in ((None, "popularity"), ("als", "als"), ("gone", "popularity")):
        ranking, _, why = decide(values(0, bpr=0, als=0, popularity=0), Standing(incumbent), SETTINGS, seed=1)
        assert ranking[0] == champion
        assert why == f"{champion}, because no user could be held out to judge the models on"


def test_an_incumbent_alone_on_the_shelf_stays() -> None:
    ranking, _, why = decide(values(als=0), Standing("als"), SETTINGS, seed=1)
    assert (ranking, why) == (("als",), "als, the only model")


@dataclass
class Home:
    """The records of a home's nights, what is live, and how models are judged."""

    runs: list[Run] = field(default_factory=list)
    live: int | None = None
    split: str = "temporal"
    settings: dict[str, Any] = field(
        default_factory=lambda: {"split": {}, "utility": {}, "judge": {"champion_metric": "ndcg@10"}}
    )

    def night(self, day: int, status: Status = "published", **above: float) -> Decision:
        """Judge models by how far they are above others; publish, unless another status is given."""
        as_of = MONDAY + timedelta(days=day)
        run = Run(len(self.runs) + 1, "f", "d", as_of, 1, self.live, status, as_of)
        run.settings, run.summary = deepcopy(self.settings), RunSummary(split=self.split)
        _, decision, _ = decide(values(**above), standing(self.runs, run), SETTINGS, seed=1)
        run.champion, run.summary.decision = decision.champion, decision
        self.runs.insert(0, run)
        if status == "published":
            self.live = run.run_id
        assert from_json(Decision, to_json(decision)) == decision
        return decision


def wins(decision: Decision) -> dict[str, int]:
    return {each.model: each.wins for each in decision.challenges}


def test_three_nights_in_a_row_make_a_champion() -> None:
    home = Home()
    assert home.night(0, als=0.1, bpr=0).champion == "als"
    assert [home.night(day, als=0, bpr=0.1).champion for day in (1, 2, 3, 4)] == ["als", "als", "bpr", "bpr"]
    assert wins(home.night(5, als=0.1, bpr=0)) == {"als": 1}, "the next series begins anew"


def test_a_night_without_a_win_ends_the_series() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2):
        home.night(day, als=0, bpr=0.1)
    assert wins(home.night(3, als=0, bpr=0)) == {"bpr": 0}
    assert wins(home.night(4, als=0, bpr=0.1)) == {"bpr": 1}


@pytest.mark.parametrize("status", ["check_failed", "not_switched", "failed"])
def test_a_night_that_was_not_published_neither_counts_nor_ends_the_series(status: Status) -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    home.night(1, als=0, bpr=0.1)
    for gain in (0.1, -0.1):
        assert home.night(2, status, als=0, bpr=gain).champion == "als"
    assert wins(home.night(2, als=0, bpr=0.1)) == {"bpr": 2}


def test_another_look_at_the_same_data_replaces_the_first_and_older_data_prove_nothing() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for _ in range(4):
        assert wins(home.night(1, als=0, bpr=0.1)) == {"bpr": 1}
    assert wins(home.night(0, als=0, bpr=0.1)) == {"bpr": 1}, "forced, with an as_of before the series"
    assert wins(home.night(2, als=0, bpr=0.1)) == {"bpr": 2}


def test_a_rollback_of_the_new_champion_ends_its_series() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2, 3):
        home.night(day, als=0, bpr=0.1)
    home.live = 3
    decision = home.night(4, als=0, bpr=0.1)
    assert (decision.champion, wins(decision)) == ("als", {"bpr": 1})


def test_without_the_record_of_the_live_run_there_is_no_incumbent() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    tuesday = MONDAY + timedelta(days=1)
    assert standing([], Run(2, "f", "d", tuesday, 1, home.live, as_of=tuesday)) == Standing()


def other_metric(home: Home) -> None:
    home.settings["judge"]["champion_metric"] = "recall@10"


def other_split_settings(home: Home) -> None:
    home.settings["split"]["temporal_share"] = 0.2


def other_utility(home: Home) -> None:
    home.settings["utility"]["positive"] = 3


def other_split(home: Home) -> None:
    home.split = "leave_last"


@pytest.mark.parametrize("change", [other_metric, other_split_settings, other_utility, other_split])
def test_wins_by_another_protocol_do_not_count(change: Callable[[Home], None]) -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2):
        home.night(day, als=0, bpr=0.1)
    change(home)
    decision = home.night(3, als=0, bpr=0.1)
    assert (decision.champion, wins(decision)) == ("als", {"bpr": 1})
    assert wins(home.night(4, als=0, bpr=0.1)) == {"bpr": 2}
