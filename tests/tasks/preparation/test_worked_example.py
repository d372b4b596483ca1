"""docs/worked-example.md recomputed: its files are the input, its tables the expected output."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions
from tasks.config.settings import SplitSettings, UtilitySettings
from tasks.preparation.holdout import hold_out
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything, make_split
from tasks.storage.warehouse import open_warehouse
from tests.tasks.inputs import land_and_clean

PAGE = (Path(__file__).parents[3] / "docs" / "worked-example.md").read_text(encoding="utf-8")
UTILITY = UtilitySettings()


def table(heading):
    """The rows of the table under a heading of the page, as lists of text."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return lines[2:]


def cells(rows):
    """(user, item): value of a table that begins with these three columns."""
    return {(int(user), int(item)): pytest.approx(float(value), abs=1e-6) for user, item, value, *_ in rows}


class Night:
    """The stages of a night on the page's files."""

    def __init__(self, folder):
        inbox = folder / "in"
        for made in ("in", "split", "train", "held_out", "everything", "refit"):
            (folder / made).mkdir()
        for name, text in re.findall(r"^`(\w+\.csv)`\n\n```csv\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL):
            (inbox / name).write_text(text, encoding="utf-8")
        with open_warehouse(folder / "warehouse.duckdb") as con:
            self.clean = land_and_clean(con, inbox)
            as_of = self.clean.newest_interaction + timedelta(seconds=1)
            settings = SplitSettings(method="temporal", temporal_share=0.3)
            self.split = make_split(con, settings, UTILITY, as_of=as_of, key="", folder=folder / "split")
            self.train = build_snapshot(con, self.split, UTILITY, key="", folder=folder / "train")
            self.held_out = hold_out(
                con,
                self.split,
                self.train,
                UTILITY,
                seed=42,
                max_users=100,
                key="",
                folder=folder / "held_out",
            )
            whole = everything(con, as_of=as_of, key="", folder=folder / "everything")
            self.refit = build_snapshot(con, whole, UTILITY, key="", folder=folder / "refit")


def ids(snapshot):
    """External user and item ids by index."""
    users = pq.read_table(snapshot.folder / "users.parquet")["user_id"].to_numpy()
    items = pq.read_table(snapshot.folder / "items.parquet")["item_id"].to_numpy()
    return users, items


def found(snapshot, matrix):
    """A stored matrix as {(user, item): value}."""
    stored = getattr(Interactions.load(snapshot.folder), matrix).tocoo()
    users, items = ids(snapshot)
    pairs = zip(users[stored.row].tolist(), items[stored.col].tolist(), strict=True)
    return dict(zip(pairs, stored.data.tolist(), strict=True))


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return Night(tmp_path_factory.mktemp("night"))


def test_all_six_rows_are_clean(night):
    assert sum(source.clean for source in night.clean.counts) == 6


def test_cutoff(night):
    assert f"{night.split.cutoff:%Y-%m-%d %H:%M}" in PAGE
    assert night.split.cutoff == night.clean.newest_interaction - timedelta(days=1)


@pytest.mark.parametrize(
    ("heading", "matrix"),
    [("Seen", "timestamp"), ("Rating", "rating"), ("Positive", "positive"), ("Utility", "composite")],
)
def test_training_matrices_match_the_page(night, heading, matrix):
    assert found(night.train, matrix) == cells(table(heading))


def test_refit_matches_the_page(night):
    assert found(night.refit, "composite") == cells(table("Utility for the refit"))
    assert (1, 20) in found(night.refit, "positive")


def test_held_out_items_and_metrics_match_the_page(night):
    users, items = ids(night.train)
    judged = np.load(night.held_out.folder / "users.npz")["user_idx"]
    relevant = sparse.csr_array(sparse.load_npz(night.held_out.folder / "relevant.npz"))
    rows, columns = relevant.nonzero()
    pairs = [[str(users[judged[row]]), str(items[column])] for row, column in zip(rows, columns, strict=True)]
    assert pairs == table("Held out")

    lists = np.searchsorted(items, [[40, 30]])
    metrics = ranking_metrics(lists, relevant, [1, 2])
    for name, value, _ in table("Metric"):
        assert metrics[name] == pytest.approx([float(value)], abs=1e-6), name
