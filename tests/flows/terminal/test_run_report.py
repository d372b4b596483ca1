"""A night's figures; a sentence instead of an empty table where there are none."""

import io
import re
import shlex
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from flows.terminal.run_report import show_report
from tasks.artifacts import Deliveries, LeftFile, SourceCounts, TradeOff, TradeOffFigure
from tasks.evaluation.metric_rows import Half, MetricRow, SegmentDifferenceRow, SegmentRow
from tasks.monitoring.drift_figures import Drift, DriftMeasure
from tasks.reporting.run_report import Report
from tasks.storage.run_records import Run, RunSummary, StageTime


def night(finished: datetime | None = datetime(2026, 11, 21, 5, 0, 18)) -> Run:
    return Run(
        20261121050000,
        "fingerprint",
        "demo",
        datetime(2026, 11, 21, 5, 0, 0),
        seed=1,
        expected_live=None,
        status="published",
        finished_at=finished,
        champion="popularity",
        rows=20,
        stages=[
            StageTime("land", None, 4.0, 310.0, False, ""),
            StageTime("clean", None, 2.1, 820.0, False, ""),
        ],
        settings={"judge": {"confidence": 0.95}},
        summary=RunSummary(example_user=1),
    )


def metric(half: Half) -> MetricRow:
    return MetricRow(
        model="popularity", half=half, segment="all", metric="ndcg", k=10, value=0.25, ci_low=0.2, ci_high=0.3,
        n_users=1,
    )  # fmt: skip


def shown(report: Report, live: int | None = 20261121050000, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    show_report(console, report, place="/srv/recs.db", live=live)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_deletions_and_increments_are_shown_where_there_are_any() -> None:
    plain = SourceCounts("ratings", 9, 8, 0, 1, {})
    run = replace(night(), summary=RunSummary(intake=(plain,)))
    assert "deletions" not in shown(Report(run, [], []))
    assert "Increments" not in shown(Report(run, [], []))
    left = LeftFile("incoming/tags[1].csv", "it is empty")
    counts = replace(plain, rows_in=1_214, deleted=1_203, deletions=2)
    deliveries = Deliveries(40, 2, waiting=(left,), set_aside=(LeftFile("incoming/b.csv", "is truncated"),))
    text = shown(Report(replace(run, summary=RunSummary(intake=(counts,), deliveries=deliveries)), [], []))
    assert re.search(r"ratings +1,214 +8 +0 +1,203 +2 +1\b", text)
    assert "Increments: 40, of which 2 came tonight." in text
    assert "Left for the next night: incoming/tags[1].csv (it is empty)" in text
    assert "Set aside: incoming/b.csv (is truncated)" in text


def test_the_report_half_is_shown_with_its_protocol() -> None:
    text = shown(Report(night(), [metric("select"), metric("report")], []))
    assert "Models on the report half (at 10)" in text
    assert "0.2500 [.200, .300]" in text
    assert "Protocol:" in text


def test_metrics_beyond_accuracy_omit_unknown_columns() -> None:
    plain = replace(metric("report"), ci_low=None, ci_high=None)
    rows = [metric("report"), replace(metric("report"), segment="light", value=0.9)]
    for name, value in {"coverage": 0.123, "gini": 0.9, "novelty": 3.21, "popularity_bias": 2.5}.items():
        rows.append(replace(plain, metric=name, value=value))
    rows.append(replace(plain, model="mf", metric="rmse", k=None, value=0.8765))
    text = shown(Report(night(), rows, []))
    table = text[text.index("Lists beyond accuracy (at 10)") :].splitlines()
    assert table[1].split() == ["model", "coverage", "gini", "novelty", "popularity", "rmse"]
    assert table[2].split() == ["popularity", "12.3%", "0.900", "3.21", "2.50"]
    assert table[3].split() == ["mf", "0.8765"]
    assert "0.9000" not in text, "the figure of a slice is not that of all users"


def test_an_empty_report_half_gives_a_sentence() -> None:
    text = shown(Report(night(), [metric("select")], []))
    assert "No user fell into the report half" in text
    assert "Models on the report half" not in text
    assert "Protocol:" not in text


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (datetime(2026, 11, 21, 5, 0, 18), "Run 20261121050000: 18 s, 6.1 s in its stages, at most 820 MB"),
        (None, "Run 20261121050000: 6.1 s in its stages, at most 820 MB"),
    ],
)
def test_the_last_line_shows_elapsed_and_stage_time(finished: datetime | None, expected: str) -> None:
    assert expected in shown(Report(night(finished), [], [])).splitlines()[-1]


def test_a_superseded_night_names_the_live_run() -> None:
    report = Report(night(), [], [])
    assert "Read them" in shown(report)
    assert "It is not live any more" not in shown(report)
    later = shown(report, live=20261121060000)
    assert "It is not live any more: run 20261121060000 is." in later
    assert "Read them" not in later


def test_a_model_fitted_on_nothing_is_marked() -> None:
    run = night()
    run.summary.learned_nothing = ("als", "mf")
    text = shown(Report(run, [metric("report")], []))
    assert "\nals, mf: had nothing to learn from; the lists are those of the backfill models.\n" in text
    assert "nothing to learn" not in shown(Report(night(), [metric("report")], []))


@pytest.mark.parametrize(
    ("user", "condition"),
    [(7, "user_id = 7"), ("u1", "user_id = 'u1'"), ("o'neil", "user_id = 'o''neil'"), ('$5 "`!\\', None)],
)
def test_the_login_query_can_be_pasted(user: int | str, condition: str | None) -> None:
    run = night()
    run.summary.example_user = user
    line = next(line for line in shown(Report(run, [], [])).splitlines() if line.startswith("Read them"))
    _, _, query = shlex.split(line.removeprefix("Read them"))
    if condition is None:  # a shell would change it inside double quotes
        assert str(user) in query
    else:
        assert f"where {condition} order by" in line
        assert line.endswith(f'"{query}"')


def test_the_cost_of_diversity_or_its_failure_is_shown() -> None:
    figure = TradeOffFigure("ndcg", 10, as_said=0.25, arranged=0.24, difference=-0.01, low=-0.02, high=0.0)
    run = night()
    run.summary.trade_off = TradeOff("k", Path(), "als", 399, (figure,))
    text = shown(Report(run, [metric("report")], []))
    assert "lists of als without and with them, on the 399 users of the select half" in text
    assert "ndcg@10" in text
    assert "-0.0100 [-0.0200, +0.0000]" in text
    run.summary.trade_off, run.summary.trade_off_failed = None, "MemoryError: too large"
    assert "not known: MemoryError: too large" in shown(Report(run, [metric("report")], []))


def test_a_failed_night_names_the_live_run() -> None:
    failed = night()
    failed.status, failed.reason = "failed", "It broke."
    text = " ".join(shown(Report(failed, [], []), live=7).split())
    assert "Failed It broke. Live Run 7 is." in text
    assert "Live There are no lists." in " ".join(shown(Report(failed, [], []), live=None).split())


def cold(segment: str, model: str, value: float, n_users: int = 29, name: str = "ndcg") -> MetricRow:
    row = replace(metric("report"), segment=segment, model=model, n_users=n_users, metric=name)
    return replace(row, value=value, ci_low=value - 0.05, ci_high=value + 0.05)


def test_new_users_are_shown_by_the_likes_given() -> None:
    rows = [metric("report"), cold("new_users_1", "popularity", 0.1), cold("new_users_1", "als", 0.2)]
    rows += [cold("new_users_2", "als", 0.3, 12), cold("new_users_5", "als", 0.777, 9)]
    lines = shown(Report(night(), rows, [])).splitlines()
    at = lines.index("New users, by the number of likes that the model is given (ndcg@10)")
    assert lines[at + 1].split("  ")[0] == "model"
    assert lines[at + 1].split()[1:] == ["1", "like,", "29", "users", "2", "likes,", "12", "users"]
    assert lines[at + 2].split() == ["als", "0.2000", "[.150,", ".250]", "0.3000", "[.250,", ".350]"]
    assert lines[at + 3].split() == ["popularity", "0.1000", "[.050,", ".150]"]
    assert "Too few new users for figures: 9 after 5 likes." in lines
    assert "0.7770" not in "".join(lines)


def test_new_users_with_nothing_given_stand_beside_popularity() -> None:
    rows = [metric("report")]
    rows += [cold("new_users_0", model, value) for model, value in (("popularity", 0.1), ("social_gcn", 0.2))]
    gain = replace(side_data_gains(new_users_0=0.1)[1], model="social_gcn", baseline="popularity")
    gains = [replace(gain, half="select", mean=0.7), gain, replace(gain, segment="all", mean=0.6, n_users=1)]
    lines = shown(Report(night(), rows, [], side_data_differences=gains)).splitlines()
    at = lines.index("New users, nothing given: 29 users known by links or features")
    assert " ".join(lines[at + 1].split()) == "model ndcg@10 ndcg@10 against popularity"
    assert lines[at + 2].split() == [
        "social_gcn", "0.2000", "[.150,", ".250]", "+0.1000", "[-.0200,", "+.0456]",
    ]  # fmt: skip
    assert lines[at + 3].split() == ["popularity", "0.1000", "[.050,", ".150]"]
    assert "New users, by the number" not in "".join(lines)
    assert "side data" not in "".join(lines), "no model was judged beside the same one without"
    few = [replace(row, n_users=1) if row.segment == "new_users_0" else row for row in rows]
    text = shown(Report(night(), few, [], side_data_differences=gains))
    assert "New users, nothing given: 1 user known by links or features, too few for figures." in text
    assert "0.2000" not in text


def test_new_items_are_shown_beside_random_order() -> None:
    rows = [metric("report")]
    rows += [
        cold("new_items", model, value, name=name)
        for model, value in (("random", 0.08), ("content", 0.22))
        for name in ("ndcg", "recall")
    ]
    about = [SegmentRow(segment="new_items", of="items", n=62, least=0, greatest=0)]
    lines = shown(Report(night(), rows, [], about)).splitlines()
    at = lines.index("New items: only the 62 that nobody had met are ranked, for the 29 users who liked one")
    assert lines[at + 1].split() == ["model", "ndcg@10", "recall@10"]
    assert [line.split()[0] for line in lines[at + 2 : at + 4]] == ["content", "random"]
    few = [replace(row, n_users=1) if row.segment == "new_items" else row for row in rows]
    text = shown(Report(night(), few, [], about))
    assert "New items: 1 user who liked one, too few for figures." in text
    assert "0.2200" not in text


def similar(model: str, hits: float, n_users: int = 29, cold_users: int = 12) -> list[MetricRow]:
    """The figures of a model's similar items: of cold ones half the hits."""
    row = cold("similar_items", model, hits, n_users, "link_hits")
    others = [
        replace(row, metric=f"link_{name}", k=None, value=value)
        for name, value in (("mrr", 0.031), ("auc", 0.8))
    ]
    return [row, *others, cold("similar_cold_items", model, hits / 2, cold_users, "link_hits")]


def test_similar_items_are_shown_with_cold_ones_and_differences() -> None:
    rows = [replace(metric("report"), k=20), *similar("item_knn", 0.3), *similar("rp3beta", 0.4)]
    rows.append(replace(similar("als", 0.9)[0], half="select"))
    gain = SegmentDifferenceRow(
        model="rp3beta", baseline="item_knn", metric="link_hits@10", half="report", segment="similar_items",
        mean=0.1, low=0.05, high=0.15, detectable=0.1,
    )  # fmt: skip
    others = [replace(gain, half="select", mean=0.7), replace(gain, segment="similar_cold_items", mean=0.6)]
    report = Report(night(), rows, [], similar_differences=[others[0], gain, others[1]])
    text = shown(report, width=104)
    lines = text.splitlines()
    at = lines.index("Similar items, by what the 29 users of the report half liked next")
    header = " ".join(lines[at + 1].split())
    assert header == "model hits@10 mrr auc cold hits@10 hits@10 against item_knn"
    assert lines[at + 2].split() == [
        "rp3beta", "0.4000", "[.350,", ".450]", "0.0310", "0.8000", "0.2000", "[.150,", ".250]",
        "+0.1000", "[+0.0500,", "+0.1500]",
    ]  # fmt: skip
    assert lines[at + 3].split() == [
        "item_knn", "0.3000", "[.250,", ".350]", "0.0310", "0.8000", "0.1500", "[.100,", ".200]",
    ]  # fmt: skip
    assert "Cold: only items that fewer than 5 users had liked." in text
    assert "Models on the report half (at 20)" in text, "the hits among ten do not say where lists are cut"
    narrow = shown(report)
    assert "0.4000 [.350, .450]" in narrow
    assert "against item_knn" not in narrow


def test_few_cold_items_or_users_have_no_figures_of_similar_items() -> None:
    text = shown(Report(night(), [metric("report"), *similar("item_knn", 0.3, cold_users=9)], []))
    assert "0.3000 [.250, .350]" in text
    assert "cold hits" not in text
    assert "Cold: only" not in text
    text = shown(Report(night(), [metric("report"), *similar("item_knn", 0.3, n_users=1)], []))
    assert "Similar items: 1 user with a later like, too few for figures." in text
    assert "0.3000" not in text
    assert "Similar items" not in shown(Report(night(), [metric("report")], []))


def side_data_gains(**means: float) -> list[SegmentDifferenceRow]:
    """The differences of kgcn to lightgcn by segment, and one of the select half."""
    gain = SegmentDifferenceRow(
        model="kgcn", baseline="lightgcn", metric="ndcg@10", half="report", segment="all", n_users=40,
        mean=0.0, low=-0.02, high=0.0456, detectable=0.1,
    )  # fmt: skip
    found = [replace(gain, segment=segment, mean=mean) for segment, mean in means.items()]
    return [replace(gain, half="select", mean=0.7), *found]


def test_models_are_shown_with_and_without_side_data() -> None:
    gains = side_data_gains(head=-0.001, tail=0.0123, all=0.002)
    gains.append(replace(gains[1], segment="middle", n_users=9, mean=0.6))
    report = Report(night(), [metric("report")], [], side_data_differences=gains)
    lines = shown(report, width=126).splitlines()
    at = lines.index("With and without side data, paired over users (ndcg@10)")
    assert lines[at + 1].split() == ["model", "without", "all", "head", "middle", "tail"]
    interval = ["[-.0200,", "+.0456]"]
    assert lines[at + 2].split() == [
        "kgcn", "lightgcn", "+0.0020", *interval, "-0.0010", *interval, "+0.0123", *interval,
    ]  # fmt: skip
    narrow = shown(report, width=80).splitlines()
    at = narrow.index("With and without side data, paired over users (ndcg@10)")
    assert narrow[at + 2].split() == ["kgcn", "lightgcn", "+0.0020", "-0.0010", "+0.0123"]
    assert narrow[at + 3].split() == ["[-.020,", "+.046]"] * 3


def test_a_night_without_a_pair_says_nothing_of_side_data() -> None:
    few = [replace(gain, n_users=9) for gain in side_data_gains(all=0.1)]
    for gains in ([], side_data_gains(), few):
        report = Report(night(), [metric("report")], [], side_data_differences=gains)
        assert "side data" not in shown(report)


def test_a_night_without_cold_starts_does_not_mention_them() -> None:
    text = shown(Report(night(), [metric("report")], []))
    assert "New users" not in text
    assert "New items" not in text


@pytest.mark.parametrize(("value", "shown_line"), [(0.3, True), (0.05, False)])
def test_drift_has_a_line_only_if_it_stands_out(value: float, shown_line: bool) -> None:
    drift = Drift((DriftMeasure("ratings", value, 0.01, 7),))
    text = shown(Report(replace(night(), summary=RunSummary(drift=drift)), [], []))
    assert ("Drift      Against the last 7 nights: ratings shifted by 0.30 (strong)." in text) == shown_line
    assert ("Drift" in text) == shown_line
