"""What goes into a publication comes out of it: ids, texts and scores, however odd."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target
from tests.tasks.publication.published_lists import BIGINTS, OWNER, TEXTS, read, write_lists

HOSTILE = (
    *("'; drop table items; --", '"', "\\", "a\tb\nc\r\n", "%_", " ", "007"),
    *("שלום \u202e مرحبا", "🎬 👩\u200d🚀", "x" * 10_000),
)
texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)
scores = st.floats(allow_nan=False, allow_infinity=False)
ranked_lists = st.lists(st.tuples(texts, scores, texts), min_size=1, max_size=4)


@settings(max_examples=25)
@given(
    rows=st.dictionaries(texts, ranked_lists, min_size=1),
    titles=st.dictionaries(texts, st.none() | texts, min_size=1),
)
def test_hostile_texts_and_scores_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: dict, titles: dict
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    ranked = [
        (user, rank, item, score, "als", None if rank == 1 else score, reason if rank == 1 else None)
        for user in sorted(rows)
        for rank, (item, score, reason) in enumerate(rows[user], 1)
    ]
    lists = write_lists(
        folder,
        recommendations=ranked,
        similar_items=[(item, 1, item, 0.0) for item in sorted(titles)],
        fallback_recommendations=[("all", 1, next(iter(titles)), 0.0)],
        items=[(item, title, title) for item, title in titles.items()],
    )
    database = folder / "lists.db"
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        target.ensure_schema(TEXTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
    columns = "user_id, rank, item_id, score, model, model_score, reason_item_id"
    assert sorted(read(database, f"select {columns} from recommendations")) == sorted(ranked)
    assert dict(read(database, "select item_id, title from items")) == titles


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1) | st.none())
@settings(max_examples=10)
def test_every_64_bit_id_survives(
    tmp_path_factory: pytest.TempPathFactory, user: int, reason: int | None
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    ranked = [(user, 1, user, 0.5, "als", None, reason), (user, 2, -user // 2, 0.5, "als", None, None)]
    nothing: dict = {"similar_items": [], "fallback_recommendations": []}
    lists = write_lists(folder, recommendations=ranked, items=[(user, None, None)], **nothing)
    with open_target(f"sqlite:///{folder}/lists.db", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
    found = read(folder / "lists.db", "select user_id, item_id, reason_item_id from recommendations")
    assert found == [(user, user, reason), (user, -user // 2, None)]
