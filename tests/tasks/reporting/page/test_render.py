"""Pages of hand-written nights, whatever the night reached and whatever the data holds."""

import re
from dataclasses import replace
from pathlib import Path

from models.registry import ENSEMBLES, RECOMMENDERS
from tasks.artifacts import Deliveries, LeftFile, SourceCounts, TradeOff, TradeOffFigure
from tasks.evaluation.metric_rows import SegmentDifferenceRow
from tasks.reporting.list_samples import Kept, Listed, Mover, UserList
from tasks.reporting.page.contents import Checked, Churn, Page
from tasks.reporting.page.histograms import Bar, Histogram
from tasks.reporting.page.metric_panels import (
    counterpart_panels,
    metric_panels,
    new_item_panel,
    new_user_panels,
    new_user_panels_by_side_data,
    similar_difference_panels,
    similar_panels,
    slice_panels,
)
from tasks.reporting.page.render import model_meaning, render
from tasks.reporting.page.user_map import UserMap
from tasks.reporting.page.vector_map import Place, VectorMap
from tasks.storage.run_records import RunSummary, StageTime
from tests.tasks.reporting.nights import night, row
from tests.tasks.reporting.page.read_page import ReadPage, needs_nothing_else

HOSTILE = "<script>alert('1')</script>\"&</style><img src=x onerror=alert(1)>"


def empty(**fields) -> Page:
    """Return the page of a night that reached nothing."""
    nothing = dict.fromkeys(
        (
            "n_users",
            "n_items",
            "challenge",
            "history",
            "ratings",
            "utilities",
            "attention",
            "churn",
            "item_map",
            "user_map",
            "new_items",
        )
    )
    none = dict.fromkeys(
        (
            "metrics",
            "slices",
            "new_users",
            "new_users_by_side_data",
            "similar",
            "similar_against",
            "against",
            "with_side_data",
            "checks",
            "users",
        ),
        (),
    )
    return Page(**({"run": night()} | nothing | none | fields))


def gain(word: str, **fields) -> SegmentDifferenceRow:
    """Return how much better `word` finds similar items than item_knn, or than another model of hostile name."""
    about = {"model": word, "baseline": word, "metric": "link_hits@10", "half": "report", "n_users": 40}
    about |= {"segment": "similar_items", "mean": 0.123, "low": 0.1, "high": 0.15, "detectable": 0.1}
    return SegmentDifferenceRow(**(about | fields))


def full(word: str) -> Page:
    """Return a page on which everything that comes from data is `word`."""
    rows = [row(word, 0.3), row("popularity", 0.1), row(word, 0.2, segment=word)]
    counts = SourceCounts(word, 5, 2, 0, quarantined=1, reasons={word: 1}, deleted=1, deletions=1)
    left = (LeftFile(word, word),)
    summary = RunSummary(
        intake=(counts,), deliveries=Deliveries(1, 1, waiting=left, set_aside=left), advice=word
    )
    run = night(champion=word, reason=word, failed_models={word: word}, summary=summary)
    run = replace(run, dataset=word, status="not_switched")
    place = Place(1.0, 2.0, 3, word, word)
    drawn = VectorMap(word, 100, 100, ((word, (place,)), ("", (place,))))
    return empty(
        run=run,
        n_users=1,
        n_items=1,
        metrics=metric_panels(run, rows),
        slices=slice_panels(run, rows, []),
        new_users=new_user_panels(run, [row(word, 0.2, segment="new_users_1")]),
        new_users_by_side_data=new_user_panels_by_side_data(
            run, [row(word, 0.2, segment="new_users_0")], [gain(word, segment="new_users_0")]
        ),
        new_items=new_item_panel(run, [row(word, 0.2, segment="new_items")], []),
        similar=similar_panels([row(word, 0.2, segment="similar_items", metric="link_hits")]),
        similar_against=similar_difference_panels([gain(word)]),
        with_side_data=counterpart_panels([gain(word, segment="tail")]),
        checks=(Checked(word, word, "at most", 1.0, None, False, word),),
        ratings=Histogram((Bar(word, 1),), 0, 1.0),
        churn=Churn(7, Kept(1, (0, 1), 0), (Mover(word, word, 1, 2),)),
        users=(UserList(word, 1, ((word, 5.0),), (Listed(1, word, word, (word,), word, word),)),),
        item_map=drawn,
        user_map=UserMap(drawn, 7, word, 0.4, 0.25),
    )


def test_data_is_escaped_everywhere() -> None:
    text = render(full(HOSTILE))
    page = ReadPage(text)
    tags = [tag for tag, _ in page.tags]
    assert "img" not in tags
    assert tags.count("script") == 3
    assert tags.count("style") == 1
    assert not [name for _, about in page.tags for name in about if name.startswith("on")]
    assert page.text.count(HOSTILE) > 10
    assert [titles[0][0] for titles in page.maps] == [[HOSTILE, HOSTILE]] * 2
    assert len(page.sections) == len(set(page.sections)) == 11


def test_failed_night_says_why_and_has_no_empty_section() -> None:
    run = night(
        status="failed",
        champion=None,
        expected_live=20261120050000,
        reason="stage land: There is no ratings file.",
        stages=[],
        summary=RunSummary(advice="Put one there."),
    )
    text = render(empty(run=run))
    page = ReadPage(text)
    assert page.sections == []
    assert "What to do: Put one there." in page.text
    assert "Failed The night failed. The lists of run 20261120050000 stay live." in page.text
    assert "There is no ratings file." in page.text
    assert needs_nothing_else(page, text)


def test_first_failed_night_says_that_nothing_is_live() -> None:
    assert "so none are live" in render(empty(run=night(status="failed", reason="It broke.")))


def test_failed_check_comes_first_with_its_advice() -> None:
    passed = Checked("rows", "items in all", "at least", 10, 1, True, "")
    failed = Checked("overlap", "what stays", "at least", 0.25, 0.5, False, "Look at the ids.")
    unknown = Checked("brand_new", "", "", None, None, True, "")
    run = night(status="check_failed", reason="Check overlap failed.")
    text = ReadPage(render(empty(run=run, checks=(failed, passed, unknown)))).text
    assert "Held back A check held the new lists back." in text
    assert "✗ failed Overlap what stays Look at the ids. 0.25 at least 0.5" in text
    assert "✓ passed Brand new nothing to compare with not limited" in text
    assert "Checks passed 2 of 3 overlap" in text


def test_time_without_the_page_itself_says_so() -> None:
    during = night()
    assert (
        "Took 18 s until this page was written; 6.1 s in its stages"
        in ReadPage(render(empty(run=during))).text
    )
    after = night(stages=[*during.stages, StageTime("report", None, 3.0, 1.0, False, "")])
    assert "Took 18 s 9.1 s in its stages" in ReadPage(render(empty(run=after))).text


def test_model_that_learned_nothing_is_marked() -> None:
    run = night(summary=RunSummary(learned_nothing=("als", "mf")))
    panels = metric_panels(run, [row("als", 0.1), row("mf", 0.1)])
    note = "als, mf: had nothing to learn from; the lists are those of the backfill models."
    assert note in ReadPage(render(empty(run=run, metrics=panels))).text
    assert "nothing to learn" not in ReadPage(render(empty(run=night(), metrics=panels))).text


def test_every_model_has_a_description() -> None:
    unexplained = [name for name in (*RECOMMENDERS, *ENSEMBLES, "fallback") if not model_meaning(name)]
    assert unexplained == []


WEIGHED = TradeOff(
    "k",
    Path(),
    "als",
    1200,
    (TradeOffFigure("ild_features", 10, 0.81, 0.9, difference=0.09, low=0.08, high=0.1),),
)


def test_rules_and_the_cost_of_diversity_are_shown() -> None:
    told = ReadPage(
        render(empty(run=night(summary=RunSummary(rules=("pin 7 at 1",), trade_off=WEIGHED))))
    ).text
    assert "Rules of single items that counted: pin 7 at 1." in told
    assert "Diversity by genre and tag@10 0.810 0.900 +0.090 +0.080 to +0.100" in told
    failed = ReadPage(render(empty(run=night(summary=RunSummary(trade_off_failed="too large"))))).text
    assert "What diversity and caps cost is not known: too large" in failed
    assert "What the lists are like" not in ReadPage(render(empty())).text


def test_few_new_users_are_counted_and_have_no_figures() -> None:
    rows = [row("als", 0.321, segment="new_users_1"), row("als", 0.4, segment="new_users_5", n_users=3)]
    rows += [row("content", 0.5, segment="new_items", n_users=1)]
    page = ReadPage(
        render(empty(new_users=new_user_panels(night(), rows), new_items=new_item_panel(night(), rows, [])))
    )
    assert page.sections == ["cold-start", "stages"]
    assert "After 1 like 40 users judged" in page.text
    assert "0.321" in page.text
    assert "After 5 likes 3 users, too few for figures" in page.text
    assert "Items that nobody had met 1 user, too few for figures" in page.text
    assert "0.400" not in page.text
    assert "0.500" not in page.text


def test_new_users_known_by_side_data_are_shown() -> None:
    rows = [row("social_gcn", 0.351, segment="new_users_0")]
    about = {"baseline": "popularity", "metric": "ndcg@10", "segment": "new_users_0", "mean": 0.107}
    panels = new_user_panels_by_side_data(night(), rows, [gain("social_gcn", **about)])
    page = ReadPage(render(empty(new_users_by_side_data=panels)))
    assert page.sections == ["cold-start", "stages"]
    assert "Nothing given 40 users judged" in page.text
    assert page.text.count("whom a model knows all the same") == 1
    assert "0.351" in page.text
    assert "NDCG@10 against popularity" in page.text
    assert "+0.107" in page.text


def test_models_are_shown_beside_those_without_side_data() -> None:
    metrics = metric_panels(night(), [row("kgcn", 0.3)])
    gains = [
        gain("kgcn", baseline="lightgcn", metric="ndcg@10", segment=segment, mean=mean)
        for segment, mean in (("all", 0.0123), ("tail", 0.0456))
    ]
    page = ReadPage(render(empty(metrics=metrics, with_side_data=counterpart_panels(gains))))
    assert page.text.count("A model that reads side data") == 1
    assert "NDCG@10 of kgcn against lightgcn" in page.text
    assert re.search(r"all items \+0\.0123\b.*rare \+0\.0456\b", page.text)
    assert "side data" not in ReadPage(render(empty(metrics=metrics))).text
    assert "side-data" in page.sections


def test_similar_items_have_a_section() -> None:
    rows = [row("als", 0.321, segment="similar_items", metric="link_hits")]
    rows += [row("als", 0.4, segment="similar_cold_items", metric="link_hits", n_users=3)]
    shown = empty(
        similar=similar_panels(rows),
        similar_against=similar_difference_panels([gain("als", baseline="item_knn")]),
    )
    page = ReadPage(render(shown))
    assert page.sections == ["similar-items", "stages"]
    assert "0.321" in page.text
    assert "+0.123" in page.text
    assert (
        "Similar pairs found@10 against item_knn The difference to the model that makes the published"
        in page.text
    )
    assert "Items that fewer than 5 users had liked. 3 users, too few for figures." in page.text
    assert "0.400" not in page.text
    alone = ReadPage(render(empty(similar=similar_panels(rows))))
    assert "against" not in alone.text


def test_similar_items_of_an_ensemble_are_said_to_be_a_members() -> None:
    rows = [row(model, 0.3, segment="similar_items", metric="link_hits") for model in ("als", "blend")]
    text = ReadPage(render(empty(similar=similar_panels(rows)))).text
    assert text.count("compares no items by itself") == 1
    assert "blend compares no items by itself" in text
    assert "by itself" not in ReadPage(render(empty(similar=similar_panels(rows[:1])))).text


def test_the_map_of_users_says_how_many_and_what_colours_mean() -> None:
    place = Place(1.0, 2.0, 3, "User 7", "gender: F; 3 items")
    drawn = VectorMap("als", 100, 50, (("F", (place,)),))
    page = ReadPage(render(empty(user_map=UserMap(drawn, 7, "gender", 0.42, 0.25))))
    assert page.sections == ["map", "stages"]
    assert "1 of 7 users as als sees them" in page.text
    assert "Coloured by gender: the ten nearest neighbours of a user share it in 42 % of cases" in page.text
    assert "by chance it would be 25 %" in page.text
    assert page.maps == [[[["User 7", "gender: F; 3 items"]]]]
    everybody = ReadPage(render(empty(user_map=UserMap(drawn, 1, "history", 0.4, 0.4)))).text
    assert "1 users as als sees them" in everybody
    assert "Coloured by history (its length):" in everybody
