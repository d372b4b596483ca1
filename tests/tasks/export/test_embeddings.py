"""Vectors of users and items as Parquet: of whom, with what, and when there is nothing to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import UsageError
from tasks.export import embeddings
from tasks.export.embeddings import export_embeddings
from tasks.reporting.find_model import EMBEDDINGS, find_model
from tasks.storage.home import Home
from tests.models.contract import EMPTY_USER, UNTOUCHED_ITEM
from tests.models.export.fitted import fitted
from tests.tasks.export.stored import home_with_run


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, int]:
    return home_with_run(tmp_path_factory.mktemp("export"))


def vectors(table: pa.Table) -> np.ndarray:
    return np.array(table["vector"].to_pylist(), np.float32)


@pytest.mark.parametrize("name", ["als", "two_tower", "sasrec"])
def test_products_and_bias_are_the_scores(stored, tmp_path: Path, name: str, monkeypatch) -> None:
    monkeypatch.setattr(embeddings, "_BLOCK_ROWS", 7)
    written = export_embeddings(find_model(*stored, name, EMBEDDINGS), tmp_path / name)
    assert written.scores_are_products
    items, users = (pq.read_table(tmp_path / name / f"{side}.parquet") for side in ("items", "users"))
    assert (items.num_rows, users.num_rows) == (written.n_items, written.n_users)
    assert items.schema.field("vector").type == pa.list_(pa.float32(), written.width)
    rows, columns = (
        [int(text[1:]) for text in table[f"{side}_id"].to_pylist()]
        for side, table in (("user", users), ("item", items))
    )
    scores = fitted(name).score(np.array(rows))[:, columns]
    assert vectors(users) @ vectors(items).T + items["bias"].to_numpy() == pytest.approx(scores, abs=1e-4)
    assert pq.ParquetFile(tmp_path / name / "items.parquet").num_row_groups == 6


def test_only_what_the_model_knows_is_written(stored, tmp_path: Path) -> None:
    export_embeddings(find_model(*stored, "als", EMBEDDINGS), tmp_path / "als")
    items, users = (pq.read_table(tmp_path / "als" / f"{side}.parquet") for side in ("items", "users"))
    assert f"i{UNTOUCHED_ITEM}" not in items["item_id"].to_pylist()
    assert f"u{EMPTY_USER}" not in users["user_id"].to_pylist()
    titles = dict(zip(items["item_id"].to_pylist(), items["title"].to_pylist(), strict=True))
    assert [titles[item] for item in ("i0", "i1", "i2", "i3")] == ["None", None, "Two", None]
    about = {b"model": b"als", b"run_id": str(stored[1]).encode(), b"fitted_on": b"everything"}
    assert items.schema.metadata == users.schema.metadata == about


def test_titles_are_null_where_the_lists_are_not_kept(stored, tmp_path: Path) -> None:
    found = replace(find_model(*stored, "als", EMBEDDINGS), titles=None)
    export_embeddings(found, tmp_path / "als")
    items = pq.read_table(tmp_path / "als" / "items.parquet")
    assert items["title"].null_count == items.num_rows


def test_scores_that_are_no_products_have_no_bias(stored, tmp_path: Path) -> None:
    written = export_embeddings(find_model(*stored, "neumf", EMBEDDINGS), tmp_path / "neumf")
    assert not written.scores_are_products
    items = pq.read_table(tmp_path / "neumf" / "items.parquet")
    assert items["bias"].null_count == items.num_rows
    assert len(vectors(pq.read_table(tmp_path / "neumf" / "users.parquet"))) == written.n_users


def test_a_model_of_items_only_has_no_file_of_users(stored, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(embeddings, "UserVectorRecommender", type("NoModel", (), {}))
    written = export_embeddings(find_model(*stored, "als", EMBEDDINGS), tmp_path / "als")
    assert written.n_users == 0
    assert [path.name for path in (tmp_path / "als").iterdir()] == ["items.parquet"]


def test_a_model_that_learned_nothing_is_refused(stored, tmp_path: Path) -> None:
    found = find_model(*stored, "als", EMBEDDINGS)
    nothing = replace(found, fitted=replace(found.fitted, learned=False))
    with pytest.raises(UsageError, match=rf"als of run {stored[1]} learned nothing"):
        export_embeddings(nothing, tmp_path / "als")
    assert list(tmp_path.iterdir()) == []
