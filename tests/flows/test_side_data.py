"""A night that judges a model of links shows what the links are worth, and publishes lists of users known by them."""

import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.reporting.page.contents import gather
from tasks.reporting.run_artifacts import find_artifacts
from tasks.reporting.run_report import read_report
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home, open_home
from tests.flows.conftest import RATERS, USERS, run_small_night

SETTINGS = (
    "models.shelf=social_gcn,lightgcn",
    "models.social_gcn.factors=8",
    "models.lightgcn.factors=1",  # so that social_gcn is the champion
    *(f"models.{name}.{what}" for name in ("social_gcn", "lightgcn") for what in ("epochs=3", "device=cpu")),
    "split.temporal_share=0.3",
)


@pytest.fixture(scope="module")
def judged(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Outcome]:
    """A night whose champion is social_gcn. Read only."""
    home = open_home(str(dataset), tmp_path_factory.mktemp("side_data") / "home")
    return home, run_small_night(home, *SETTINGS, flow=nightly)


def test_a_night_compares_what_it_judged_with_and_without_links(judged: tuple[Home, Outcome]) -> None:
    report = read_report(judged[0])
    pair = [row for row in report.side_data_differences if row.baseline == "lightgcn"]
    assert {row.model for row in pair} == {"social_gcn"}
    assert {(row.half, row.segment) for row in pair} == {
        (half, segment) for half in ("select", "report") for segment in ("all", "head", "middle", "tail")
    }
    page = gather(judged[0], judged[1].run)
    assert [panel.name for panel in page.with_side_data] == ["NDCG@10 of social_gcn against lightgcn"]


def test_a_night_judges_users_whom_it_knows_by_links_alone(judged: tuple[Home, Outcome]) -> None:
    report = read_report(judged[0])
    rows = [row for row in report.metrics if (row.segment, row.metric, row.k) == ("new_users_0", "ndcg", 10)]
    assert {row.model for row in rows} == {"social_gcn", "popularity"}, (
        "lightgcn and content know none of them"
    )
    n_users = {half: {row.n_users for row in rows if row.half == half} for half in ("select", "report")}
    assert all(len(found) == 1 for found in n_users.values()), "all models have the same users"
    cold = {row.half: row.n_users for row in report.metrics if row.segment == "cold"}
    assert all(0 < min(n_users[half]) <= cold[half] for half in cold)
    gains = [row for row in report.side_data_differences if row.segment == "new_users_0"]
    assert {(row.model, row.baseline) for row in gains} == {("social_gcn", "popularity")}
    assert [panel.name for panel in gather(judged[0], judged[1].run).new_users_by_side_data] == [
        "Nothing given"
    ], "too few users for figures"


def test_users_known_by_links_alone_get_the_champions_lists(judged: tuple[Home, Outcome]) -> None:
    home, outcome = judged
    assert (outcome.run.champion, outcome.run.status) == ("social_gcn", "published")
    everything = find_artifacts(Store(home.artifacts), outcome.run).everything
    assert everything is not None
    users = pq.read_table(everything.folder / "users.parquet").to_pylist()
    without = {row["user_id"] for row in users if not row["is_touched"]}
    assert len(without) == USERS - RATERS
    with sqlite3.connect(home.path / "recommendations.db") as con:
        first = con.execute("select user_id, model from recommendations where rank = 1").fetchall()
    assert {model for user, model in first if user in without} == {"social_gcn"}
    assert without <= {user for user, _ in first}
