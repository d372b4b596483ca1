"""The champion stays until another model has beaten it clearly on several nights in a row.

It is chosen on the select half; the report half is only reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.bootstrap import joint_intervals, paired_difference
from tasks.artifacts import Choice, Decision, Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation import champion
from tasks.evaluation.champion import choose, decide
from tasks.evaluation.incumbent import WinStreaks, win_streaks
from tasks.evaluation.metric_rows import SegmentRow
from tasks.storage.artifact_store import from_json, to_json
from tasks.storage.run_records import Run, RunSummary, Status
from tests.tasks.judged import judged_model, judged_users

SETTINGS = JudgeSettings(k=(10,), bootstrap_samples=200)
ONCE = SETTINGS.model_copy(update={"wins_needed": 1})
MONDAY = datetime(2026, 6, 1)


def values(n: int = 200, **above: float) -> dict[str, np.ndarray]:
    """Return a metric of about .3 per user for each model, plus the given gain and some noise of its own."""
    users = np.random.default_rng(0).random(n) * 0.6
    noise = np.random.default_rng(1).normal(0, 0.02, (len(above), n))
    return {name: users + gain + own for (name, gain), own in zip(above.items(), noise, strict=True)}


def test_best_model_wins_at_once_without_an_incumbent() -> None:
    ranking, decision, why = decide(values(als=0, bpr=0.001, knn=-0.1), WinStreaks(), SETTINGS, seed=1)
    assert set(ranking[:2]) == {"als", "bpr"}
    assert (decision.champion, decision.challenges) == (ranking[0], ())
    assert why.startswith(f"{ranking[0]} has the best ndcg@10 on the 200 users")


def test_best_model_wins_when_the_incumbent_was_not_judged() -> None:
    ranking, decision, why = decide(values(als=0, bpr=0.1), WinStreaks("lightgcn"), SETTINGS, seed=1)
    assert ranking == ("bpr", "als")
    assert decision.incumbent == "lightgcn"
    assert why.endswith("the last champion, lightgcn, was not judged tonight")


def test_incumbent_stays_when_the_lead_is_small_or_unsure() -> None:
    for lead, settings in ((0.0005, ONCE), (0.02, ONCE.model_copy(update={"min_effect": 0.1}))):
        ranking, decision, why = decide(values(bpr=lead, als=0), WinStreaks("als"), settings, seed=1)
        assert ranking == ("als", "bpr")
        assert decision.challenges[0].wins == 0
        assert why.startswith("als stays: bpr leads by +0.0")


def test_challenges_are_paired_joint_bootstrap_intervals() -> None:
    draw = {"samples": 200, "confidence": 0.95, "seed": 7}
    per_user = values(bpr=0.03, als=0, knn=-0.05)
    _, decision, _ = decide(per_user, WinStreaks("als"), ONCE, seed=7)
    assert [each.model for each in decision.challenges] == ["bpr", "knn"]
    against = np.column_stack([per_user[name] - per_user["als"] for name in ("bpr", "knn")])
    for each, found in zip(decision.challenges, joint_intervals(against, **draw), strict=True):
        assert (each.mean, each.low, each.high) == pytest.approx(found)
    assert decision.least == pytest.approx(0.01 * per_user["als"].mean())
    del per_user["knn"]
    (alone,) = decide(per_user, WinStreaks("als"), ONCE, seed=7)[1].challenges
    found = paired_difference(per_user["bpr"], per_user["als"], **draw)
    assert (alone.mean, alone.low, alone.high) == pytest.approx(found[:3], abs=1e-4)


@pytest.mark.parametrize("n_users", [30, 200])
def test_many_equal_challengers_win_as_rarely_as_one(n_users: int) -> None:
    """Seven challengers as good as the incumbent: with an interval for each alone some win on every seventh night."""
    rng, won = np.random.default_rng(0), 0
    for night in range(300):
        alike = rng.random(n_users) + rng.normal(0, 0.1, (8, n_users))
        named = dict(zip("abcdefgh", alike, strict=True))
        settings = ONCE.model_copy(update={"min_effect": 0})
        won += decide(named, WinStreaks("a"), settings, seed=night)[1].champion != "a"
    assert won / 300 <= 0.08


@pytest.mark.parametrize("n_users", [1, 2, 3, 29])
def test_incumbent_stays_when_too_few_users_are_judged(n_users: int) -> None:
    before = WinStreaks("als", {"bpr": 2})
    ranking, decision, why = decide(values(n_users, als=0, bpr=0.2), before, SETTINGS, seed=1)
    assert (ranking, decision.challenges[0].wins) == (("als", "bpr"), 0)
    assert decision.challenges[0].low > decision.least
    users = "1 user" if n_users == 1 else f"{n_users} users"
    assert why.startswith("als stays: bpr leads by +0.")
    assert why.endswith(f"but only {users} judged, and fewer than 30 replace no champion")


def test_min_users_are_enough_to_replace_the_champion() -> None:
    before = WinStreaks("als", {"bpr": 2})
    assert decide(values(30, als=0, bpr=0.2), before, SETTINGS, seed=1)[1].champion == "bpr"
    few = SETTINGS.model_copy(update={"min_users": 3})
    assert decide(values(3, als=0, bpr=0.2), before, few, seed=1)[1].champion == "bpr"


def test_reason_mentions_chance_when_few_users_choose() -> None:
    for incumbent in (None, "gone", "bpr"):
        _, decision, why = decide(values(3, als=0, bpr=0.2), WinStreaks(incumbent), SETTINGS, seed=1)
        assert decision.champion == "bpr"
        assert why.endswith("; only 3 users judged, so chance decides as much as merit")
    _, _, why = decide(values(30, als=0, bpr=0.2), WinStreaks(), SETTINGS, seed=1)
    assert "chance" not in why


def test_each_challenger_has_its_own_win_streak() -> None:
    """Two models that are ahead in turn both keep their streaks; the first to complete one becomes champion."""
    before = WinStreaks("als", {"bpr": 2, "knn": 1})
    ranking, decision, why = decide(values(knn=0.06, bpr=0.05, als=0), before, SETTINGS, seed=1)
    assert [(each.model, each.wins) for each in decision.challenges] == [("knn", 2), ("bpr", 3)]
    assert ranking == ("bpr", "knn", "als")
    assert why.startswith("bpr replaces als: better by +0.04")
    assert why.endswith("on 3 of 3 nights in a row")


def test_incumbent_or_popularity_is_chosen_without_users() -> None:
    for incumbent, expected in ((None, "popularity"), ("als", "als"), ("gone", "popularity")):
        ranking, _, why = decide(
            values(0, bpr=0, als=0, popularity=0), WinStreaks(incumbent), SETTINGS, seed=1
        )
        assert ranking[0] == expected
        assert why == f"{expected}, because no user could be held out to judge the models on"


def test_only_model_is_chosen() -> None:
    ranking, _, why = decide(values(als=0), WinStreaks("als"), SETTINGS, seed=1)
    assert (ranking, why) == (("als",), "als, the only model")


@dataclass
class Home:
    """The records of a home's nights, the live run, and the settings that models are judged by."""

    runs: list[Run] = field(default_factory=list)
    live: int | None = None
    split: str = "temporal"
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "split": {},
            "utility": {"relevant_rating": 3.5, "positive_tags": True, "positive_events": {}},
            "judge": {"champion_metric": "ndcg@10"},
        }
    )
    seed: int = 1

    def night(
        self,
        day: int,
        status: Status = "published",
        *,
        n: int = 200,
        learned: set[str] | None = None,
        **above: float,
    ) -> Decision:
        """Judge models by the given gains and record the night; it is published unless another status is given."""
        as_of = MONDAY + timedelta(days=day)
        run = Run(len(self.runs) + 1, "f", "d", as_of, self.seed, self.live, status, as_of)
        run.settings, run.summary = deepcopy(self.settings), RunSummary(split=self.split)
        streaks = win_streaks(self.runs, run)
        _, decision, why = decide(values(n, **above), streaks, SETTINGS, seed=1, learned=learned)
        decision = replace(decision, why=why)
        run.champion, run.summary.decision = decision.champion, decision
        self.runs.insert(0, run)
        if status == "published":
            self.live = run.run_id
        assert from_json(Decision, to_json(decision)) == decision
        return decision


def wins(decision: Decision) -> dict[str, int]:
    return {each.model: each.wins for each in decision.challenges}


def test_three_wins_in_a_row_make_a_champion() -> None:
    home = Home()
    assert home.night(0, als=0.1, bpr=0).champion == "als"
    assert [home.night(day, als=0, bpr=0.1).champion for day in (1, 2, 3, 4)] == ["als", "als", "bpr", "bpr"]
    assert wins(home.night(5, als=0.1, bpr=0)) == {"als": 1}, "the next streak begins anew"


def test_night_without_a_win_ends_the_streak() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2):
        home.night(day, als=0, bpr=0.1)
    assert wins(home.night(3, als=0, bpr=0)) == {"bpr": 0}
    assert wins(home.night(4, als=0, bpr=0.1)) == {"bpr": 1}


@pytest.mark.parametrize("status", ["check_failed", "not_switched", "failed"])
def test_unpublished_night_leaves_the_streak_unchanged(status: Status) -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    home.night(1, als=0, bpr=0.1)
    for gain in (0.1, -0.1):
        assert home.night(2, status, als=0, bpr=gain).champion == "als"
    assert wins(home.night(2, als=0, bpr=0.1)) == {"bpr": 2}


def test_night_on_same_or_older_data_adds_no_win() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for _ in range(4):
        assert wins(home.night(1, als=0, bpr=0.1)) == {"bpr": 1}
    assert wins(home.night(0, als=0, bpr=0.1)) == {"bpr": 1}, "forced, with an as_of before the streak"
    assert wins(home.night(2, als=0, bpr=0.1)) == {"bpr": 2}


def test_rollback_of_the_new_champion_ends_its_streak() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2, 3):
        home.night(day, als=0, bpr=0.1)
    home.live = 3
    decision = home.night(4, als=0, bpr=0.1)
    assert (decision.champion, wins(decision)) == ("als", {"bpr": 1})


def test_no_incumbent_when_the_live_runs_record_is_lost() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    tuesday = MONDAY + timedelta(days=1)
    assert win_streaks([], Run(2, "f", "d", tuesday, 1, home.live, as_of=tuesday)) == WinStreaks()


def other_metric(home: Home) -> None:
    home.settings["judge"]["champion_metric"] = "recall@10"


def other_split_settings(home: Home) -> None:
    home.settings["split"]["temporal_share"] = 0.2


def other_utility(home: Home) -> None:
    home.settings["utility"]["positive"] = 3


def other_split(home: Home) -> None:
    home.split = "leave_last"


def positive_from_four(home: Home) -> None:
    home.settings["utility"]["relevant_rating"] = 4.0


def without_positive_tags(home: Home) -> None:
    home.settings["utility"]["positive_tags"] = False


def likes_are_positive(home: Home) -> None:
    home.settings["utility"]["positive_events"] = {"like": 1.0}


def other_seed(home: Home) -> None:
    home.seed = 2


@pytest.mark.parametrize("change", [other_split_settings, other_utility, other_split])
def test_wins_under_another_protocol_do_not_count(change: Callable[[Home], None]) -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0)
    for day in (1, 2):
        home.night(day, als=0, bpr=0.1)
    change(home)
    decision = home.night(3, als=0, bpr=0.1)
    assert (decision.champion, wins(decision)) == ("als", {"bpr": 1})
    assert wins(home.night(4, als=0, bpr=0.1)) == {"bpr": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_metric, "judge.champion_metric was ndcg@10 and is recall@10"),
        (positive_from_four, "utility.relevant_rating was 3.5 and is 4.0"),
        (without_positive_tags, "utility.positive_tags was true and is false"),
        (likes_are_positive, "utility.positive_events was {} and is {like = 1.0}"),
        (other_seed, "run.seed was 1 and is 2"),
    ],
)
def test_champion_of_another_judgement_is_no_incumbent(change: Callable[[Home], None], said: str) -> None:
    """Its figures say nothing about tonight's: the best of tonight is chosen at once, and is the next incumbent."""
    home = Home()
    home.night(0, als=0.1, bpr=0)
    home.night(1, als=0.1, bpr=0)
    change(home)
    decision = home.night(2, als=0, bpr=0.1)
    assert (decision.champion, decision.incumbent, decision.challenges) == ("bpr", None, ())
    assert decision.why.endswith(
        f"; the last champion, als, had no place to defend: it was chosen when {said}"
    )
    assert home.night(3, als=0.1, bpr=0).champion == "bpr"


def test_champion_chosen_without_users_is_no_incumbent() -> None:
    home = Home()
    assert home.night(0, n=0, als=0, popularity=0).champion == "popularity"
    assert home.night(1, n=0, als=0, popularity=0).champion == "popularity"
    decision = home.night(2, n=20, als=0.1, popularity=0)
    assert (decision.champion, decision.incumbent) == ("als", None)
    assert "popularity, had no place to defend: it was chosen when no user could be held out" in decision.why
    assert home.night(3, n=20, als=0, popularity=0.1).champion == "als"


def test_unjudged_champion_that_earlier_versions_defended_goes() -> None:
    """Earlier versions made it the incumbent of the nights that followed, which few users could never end."""
    home = Home()
    home.night(0, n=0, als=0, popularity=0)
    home.night(1, n=20, als=0, popularity=0.1)
    home.runs[0].summary.decision = replace(home.runs[0].summary.decision, incumbent="popularity")
    assert home.night(2, n=20, als=0.1, popularity=0).champion == "als"


def test_champion_of_few_users_goes_when_twice_as_many_judge() -> None:
    """With fewer than 30 users no model wins, so that a small community would keep its first champion for ever."""
    home = Home()
    home.night(0, n=5, als=0, popularity=0.1)
    assert home.night(1, n=9, als=0.1, popularity=0).champion == "popularity"
    decision = home.night(2, n=10, als=0.1, popularity=0)
    assert (decision.champion, decision.incumbent) == ("als", None)
    assert "popularity, had no place to defend: it was chosen by the figures of 5 users only" in decision.why
    assert home.night(3, n=19, als=0, popularity=0.1).champion == "als"
    assert home.night(4, n=20, als=0, popularity=0.1).champion == "popularity"


def test_champion_of_enough_users_defends_its_place() -> None:
    home = Home()
    home.night(0, n=30, als=0.1, popularity=0)
    assert home.night(1, n=200, als=0, popularity=0.1).champion == "als"


def test_champion_stays_an_incumbent_over_nights_without_users() -> None:
    home = Home()
    home.night(0, als=0.1, popularity=0)
    assert home.night(1, n=0, als=0, popularity=0).champion == "als"
    decision = home.night(2, als=0, popularity=0.1)
    assert (decision.champion, wins(decision)) == ("als", {"popularity": 1})


def test_last_champion_stays_without_users_after_a_change() -> None:
    home = Home()
    home.night(0, als=0.1, popularity=0)
    other_metric(home)
    assert home.night(1, n=0, als=0, popularity=0).champion == "als"
    assert home.night(2, als=0, popularity=0.1).champion == "popularity"


def test_champion_with_nothing_to_learn_from_loses_its_place() -> None:
    home = Home()
    home.night(0, als=0.1, bpr=0, popularity=0)
    decision = home.night(1, als=0.1, bpr=0.05, popularity=0, learned={"bpr", "popularity"})
    assert (decision.champion, decision.challenges) == ("bpr", ())
    assert decision.why.startswith("bpr has the best ndcg@10")
    assert decision.why.endswith("; the last champion, als, had nothing to learn from tonight")
    decision = home.night(2, n=0, als=0, bpr=0, popularity=0, learned={"popularity"})
    assert decision.champion == "popularity"
    assert decision.why.endswith("; the last champion, bpr, had nothing to learn from tonight")


def test_model_with_nothing_to_learn_from_is_never_the_best() -> None:
    per_user = values(als=0.2, bpr=0.1, popularity=0)
    ranking, decision, why = decide(per_user, WinStreaks(), SETTINGS, seed=1, learned={"popularity"})
    assert ranking == ("popularity", "als", "bpr")
    assert set(decision.means) == set(per_user)
    assert why == "popularity, the only model that had anything to learn from"
    assert decide(per_user, WinStreaks(), SETTINGS, seed=1, learned=set())[0][0] == "als"
    (challenge,) = decide(
        per_user, WinStreaks("popularity"), SETTINGS, seed=1, learned={"popularity", "bpr"}
    )[1].challenges
    assert challenge.model == "bpr"


def choice_of(
    folder: Path, figures: dict[str, list[float]], half: list[int], *, beside: str = ""
) -> tuple[Choice, dict]:
    """Choose between the models of `figures` except `beside`; return the choice and the content of `metrics.json`.

    `figures` are NDCG@10 and recall@10 per user.
    """
    held = judged_users(folder / "held", half)
    np.savez(held / "cold_users.npz", half=np.array([0, 1], np.int8))
    evaluations = []
    for name, values in {**figures, "fallback": [0.1, 0.2]}.items():
        place = folder / name
        per_user = {f"{m}@10": np.array(values, float) for m in ("ndcg", "recall")}
        judged_model(place, per_user, lists=np.zeros((len(values), 1), np.int32))
        evaluations.append(Evaluation(name, place, name, 0.0))
    out = folder / "out"
    out.mkdir()
    held_out = HeldOut("h", held, half.count(0), half.count(1), 2, 0.0)
    settings = JudgeSettings(k=(10,), bootstrap_samples=200)
    choice = choose(
        tuple(evaluations[:-1]),
        [name for name in figures if name != beside],
        evaluations[-1],
        held_out,
        WinStreaks(),
        settings,
        similar_model="als",
        counterparts={"cke": "als"} if {"cke", "als"} <= {*figures} else {},
        seed=1,
        key="k",
        folder=out,
    )
    return choice, json.loads((out / "metrics.json").read_text())


def test_only_the_select_half_decides(tmp_path: Path) -> None:
    half = [0, 0, 1, 1]
    choice, _ = choice_of(
        tmp_path / "a", {"popularity": [0.1, 0.1, 0.9, 0.9], "als": [0.2, 0.2, 0.0, 0.0]}, half
    )
    turned, _ = choice_of(
        tmp_path / "b", {"popularity": [0.1, 0.1, 0.0, 0.0], "als": [0.2, 0.2, 0.9, 0.9]}, half
    )
    assert choice.champion == turned.champion == "als"
    assert choice.decision.why == turned.decision.why
    assert "0.2000, before popularity with 0.1000" in choice.decision.why


def test_tie_goes_to_the_first_model_of_the_shelf(tmp_path: Path) -> None:
    choice, _ = choice_of(tmp_path, {"als": [0.5, 0.5], "item_knn": [0.5, 0.5]}, [0, 1])
    assert choice.champion == "als"


def test_popularity_off_the_shelf_is_never_chosen(tmp_path: Path) -> None:
    figures = {"als": [0.1, 0.1, 0.1], "bpr": [0.0, 0.0, 0.1], "popularity": [0.5, 0.6, 0.7]}
    choice, written = choice_of(tmp_path, figures, [0, 0, 1], beside="popularity")
    assert choice.ranking == ("als", "bpr")
    assert set(choice.decision.means) == {"als", "bpr"}
    gain = next(d for d in written["differences"] if (d["model"], d["half"]) == ("als", "select"))
    assert (gain["baseline"], gain["mean"]) == ("popularity", pytest.approx(-0.45))
    assert "popularity" in {row["model"] for row in written["metrics"] if row["segment"] == "all"}


def test_metrics_json_has_values_and_intervals_by_half(tmp_path: Path) -> None:
    values = [0.0, 0.2, 0.4, 1.0, 0.8, 0.6]
    _, written = choice_of(tmp_path, {"popularity": [0.1] * 6, "als": values}, [0, 0, 0, 1, 1, 1])
    row = next(
        r
        for r in written["metrics"]
        if (r["model"], r["half"], r["metric"], r["segment"]) == ("als", "report", "ndcg", "all")
    )
    assert row["value"] == pytest.approx(0.8)
    assert row["ci_low"] < 0.8 < row["ci_high"]
    assert (row["k"], row["n_users"], row["segment"]) == (10, 3, "all")
    cold = [r for r in written["metrics"] if r["segment"] == "cold" and r["metric"] == "ndcg"]
    assert {(r["model"], r["half"]): r["value"] for r in cold} == {
        ("fallback", "select"): 0.1,
        ("fallback", "report"): 0.2,
    }
    gain = next(d for d in written["differences"] if d["model"] == "als" and d["half"] == "report")
    assert gain["baseline"] == "popularity"
    assert gain["mean"] == pytest.approx(0.7)
    assert gain["low"] > 0
    assert gain["n_users"] == 3


def test_models_with_side_data_are_compared_with_those_without(tmp_path: Path) -> None:
    figures = {"cke": [0.5, 0.3, 0.9], "als": [0.1, 0.1, 0.2], "popularity": [0.0, 0.0, 0.0]}
    _, written = choice_of(tmp_path, figures, [0, 0, 1])
    gains = {(row["half"], row["segment"]): row for row in written["side_data_differences"]}
    assert gains.keys() == {("select", "all"), ("report", "all")}
    select = gains["select", "all"]
    assert (select["model"], select["baseline"], select["metric"]) == ("cke", "als", "ndcg@10")
    assert (select["mean"], select["n_users"]) == (pytest.approx(0.3), 2)
    assert gains["report", "all"]["mean"] == pytest.approx(0.7)


def test_no_model_is_compared_with_itself(tmp_path: Path) -> None:
    _, written = choice_of(tmp_path, {"popularity": [0.1, 0.2], "als": [0.3, 0.4]}, [0, 0])
    compared = [(row["model"], row["baseline"]) for row in written["differences"]]
    assert compared == [("als", "popularity"), ("popularity", "als")]


def test_metrics_json_describes_the_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = SegmentRow(segment="heavy", of="users", n=9, least=100, greatest=1200)
    monkeypatch.setattr(champion, "read_segments", lambda _: (heavy,))
    _, written = choice_of(tmp_path, {"als": [0.5]}, [0])
    assert written["segments"] == [asdict(heavy)]


def test_popularity_is_chosen_when_nobody_is_judged(tmp_path: Path) -> None:
    choice, _ = choice_of(tmp_path, {"als": [0.5], "popularity": [0.1]}, [1])
    assert choice.champion == "popularity"
    assert "no user could be held out" in choice.decision.why
