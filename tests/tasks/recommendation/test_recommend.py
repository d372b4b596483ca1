"""The files that will be published: their columns, also when they are empty, and a fallback list per segment."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.content.profiles import Content
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.social_gcn import SocialGCN, SocialGCNConfig
from models.interactions import Interactions
from tasks.artifacts import FittedModel, Lists, Snapshot
from tasks.config.settings import RecommendSettings
from tasks.recommendation import recommend as recommend_module
from tasks.recommendation.item_rules import Rule, Rules
from tasks.recommendation.recommend import recommend
from tasks.recommendation.trial_arms import Arms
from tests.tasks.logs import Log, make_clean_tables

COLUMNS = {
    "recommendations": ["user_id", "rank", "item_id", "score", "model", "model_score", "reason_item_id"],
    "similar_items": ["item_id", "rank", "similar_item_id", "score"],
    "fallback_recommendations": ["segment", "rank", "item_id", "score"],
    "items": ["item_id", "title", "genres"],
}

GRAPHS: dict[str, Callable[[], Recommender]] = {
    "lightgcn": lambda: LightGCN(LightGCNConfig(factors=8, epochs=5, device="cpu")),
    "social_gcn": lambda: SocialGCN(SocialGCNConfig(factors=8, epochs=5, device="cpu")),
}


def lists_of(
    con,
    folder: Path,
    likes: np.ndarray,
    settings: RecommendSettings,
    rules: Rules = (),
    *,
    champion: str = "popularity",
    content_for: str = "backfill",
    friends: tuple[tuple[int, int], ...] = (),
    challenger: str | None = None,
    arms: Arms | None = None,
    **genres: list[int],
) -> Lists:
    """Write the champion's lists, backfilled by content and popularity, for users 100, 101, … and items 200, 201, …

    Args:
        con: the warehouse.
        folder: where to write.
        likes: (n_users, n_items), 1 where a user likes an item.
        settings: of the lists.
        rules: of single items.
        champion: `popularity`, `content`, or a name of `GRAPHS`.
        content_for: `backfill`, or `new_items` if popularity alone completes lists and content ranks only new items.
        challenger: `popularity` or `content`, for the users whom `arms` draw; None without a trial.
        arms: of a trial.
        friends: indices of pairs of users with a link.
        genres: name → indices of its items.
    """
    n_users, n_items = likes.shape
    folders = {name: folder / name for name in ("snapshot", "popularity", "content", *GRAPHS, "lists")}
    for each in folders.values():
        each.mkdir()
    positive = Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32))
    features = np.zeros((n_items, len(genres)), np.float32)
    for column, members in enumerate(genres.values()):
        features[members, column] = 1
    data = Interactions(
        positive.seen, positive.rating, positive.positive, positive.composite, positive.timestamp,
        sparse.csr_array(features), tuple(f"genre:{genre}" for genre in genres),
    )  # fmt: skip
    links = np.zeros((n_users, n_users), np.float32)
    for one, other in friends:
        links[one, other] = links[other, one] = 1
    data = replace(data, links=sparse.csr_array(links) if friends else None)
    data.save(folders["snapshot"])
    for name, first, count in (("user", 100, n_users), ("item", 200, n_items)):
        ids = pa.table({f"{name}_id": pa.array(range(first, first + count), pa.int64())})
        pq.write_table(ids, folders["snapshot"] / f"{name}s.parquet")
    Popularity().fit(data, seed=1).save(folders["popularity"])
    Content().fit(data, seed=1).save(folders["content"])
    if champion in GRAPHS:
        GRAPHS[champion]().fit(data, seed=1).save(folders[champion])
    n_untouched = int((likes.sum(axis=0) == 0).sum())
    make_clean_tables(con, Log())
    snapshot = Snapshot("s", folders["snapshot"], n_users, n_items, *[positive.seen.nnz] * 4, n_untouched)
    popular, content, first = (
        FittedModel(name, folders[name], name, 0.0, 0.0) for name in ("popularity", "content", champion)
    )
    return recommend(
        con,
        snapshot,
        first,
        (content, popular) if content_for == "backfill" else (popular,),
        (popular, content),
        settings,
        new_items=content if content_for == "new_items" else None,
        challenger=None if challenger is None else {"content": content, "popularity": popular}[challenger],
        arms=arms,
        rules=rules,
        seed=1,
        key="k",
        folder=folders["lists"],
    )


def rows(lists: Lists, name: str) -> list[dict]:
    return pq.read_table(lists.folder / f"{name}.parquet").to_pylist()


LIKES = np.array([[1, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("champion", ["social_gcn", "lightgcn"])
def test_new_users_have_the_champions_list_if_it_knows_them(con, tmp_path: Path, champion: str) -> None:
    """Users 105 and 106 like nothing; a friend of 105 likes items 203 and 204, which are not popular.

    Nobody likes item 205, and some have met it: no model of a graph knows it, so that popularity comes last.
    """
    likes = np.zeros((7, 6))
    likes[:3, :3] = likes[3:5, 3:5] = 1
    lists = lists_of(
        con, tmp_path, likes, RecommendSettings(n=6), champion=champion, friends=((5, 4), (4, 3))
    )
    listed: dict[int, list[tuple[int, str]]] = {}
    for row in rows(lists, "recommendations"):
        listed.setdefault(row["user_id"], []).append((row["item_id"], row["model"]))
    of_friend, of_nobody = listed[105], listed[106]
    assert {model for _, model in of_nobody} == {"popularity"}
    fallback = [row["item_id"] for row in rows(lists, "fallback_recommendations")]
    assert [item for item, _ in of_nobody] == fallback
    if champion == "lightgcn":
        assert of_friend == of_nobody, "it reads no links"
    else:
        assert {item for item, _ in of_friend[:2]} == {203, 204}
        assert {model for _, model in of_friend[:2]} == {"social_gcn"}
    assert [item for item, _ in listed[103]][:1] != [203], "what was liked is not listed again"


def test_lists_hold_unseen_items_by_popularity(con, tmp_path: Path) -> None:
    lists = lists_of(con, tmp_path, LIKES, RecommendSettings(n=2))
    given = [(row["user_id"], row["rank"], row["item_id"]) for row in rows(lists, "recommendations")]
    assert given == [(101, 1, 201)], "item 202 has no interactions, and user 100 has seen the others"
    assert (lists.n_users, lists.n_rows, lists.n_similar, lists.n_items) == (1, 1, 0, 3), (
        "user 100 has no list"
    )


def test_new_items_backfill_lists_and_have_similar_items(con, tmp_path: Path) -> None:
    likes = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    lists = lists_of(con, tmp_path, likes, RecommendSettings(n=3), Crime=[1, 3], Drama=[2, 4], Noir=[1, 3, 2])
    given = [(row["user_id"], row["item_id"], row["model"]) for row in rows(lists, "recommendations")]
    assert [row for row in given if row[0] == 101] == [(101, 201, "popularity"), (101, 202, "popularity")]
    assert [row for row in given if row[0] == 100] == [(100, 203, "content"), (100, 204, "content")]
    similar = {(row["item_id"], row["rank"]): row["similar_item_id"] for row in rows(lists, "similar_items")}
    assert (similar[203, 1], similar[204, 1]) == (201, 202)
    assert {row["item_id"] for row in rows(lists, "fallback_recommendations")} == {200, 201, 202}


def test_rows_with_new_items_are_counted_if_they_have_places(con, tmp_path: Path) -> None:
    likes = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 0, 0]])
    for name, settings in (
        ("on", RecommendSettings(n=2, new_item_share=0.5)),
        ("off", RecommendSettings(n=2)),
    ):
        (tmp_path / name).mkdir()
        lists = lists_of(con, tmp_path / name, likes, settings, Crime=[0, 3], Drama=[1, 4], Noir=[0, 1, 3, 4])
        new = [row for row in rows(lists, "recommendations") if row["item_id"] in {203, 204}]
        assert len(new) > 0
        assert lists.n_new == (len(new) if name == "on" else None)
        assert ("items without interactions" in lists.in_short) == (name == "on")


def test_new_items_name_the_model_that_chose_them(con, tmp_path: Path) -> None:
    """It is neither the champion nor a backfill model, and explains its rows. Item 203 is pinned."""
    likes = np.array([[1, 0, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0]])
    lists = lists_of(
        con, tmp_path, likes, RecommendSettings(n=3, new_item_share=1 / 3), (Rule("pin", 203, 1, None),),
        content_for="new_items", Crime=[0, 4], Drama=[1, 5], Noir=[0, 1, 4, 5],
    )  # fmt: skip
    given = {(row["user_id"], row["rank"]): row for row in rows(lists, "recommendations")}
    assert {at: (row["item_id"], row["model"]) for at, row in given.items()} == {
        (100, 1): (203, "pinned"), (100, 2): (201, "popularity"), (100, 3): (204, "content"),
        (101, 1): (203, "pinned"), (101, 2): (200, "popularity"), (101, 3): (205, "content"),
    }  # fmt: skip
    assert (given[100, 3]["reason_item_id"], given[101, 3]["reason_item_id"]) == (200, 201)


def test_seen_items_are_listed_without_exclude_seen(con, tmp_path: Path) -> None:
    lists = lists_of(con, tmp_path, LIKES, RecommendSettings(n=2, exclude_seen=False))
    assert [row["item_id"] for row in rows(lists, "recommendations")] == [200, 201, 200, 201]


def test_each_genre_but_all_has_a_fallback_list(con, tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        lists = lists_of(con, tmp_path, LIKES, RecommendSettings(), Drama=[1, 2], all=[1])
    fallback = [(row["segment"], row["item_id"]) for row in rows(lists, "fallback_recommendations")]
    assert fallback == [("Drama", 201), ("all", 200), ("all", 201)]
    assert caplog.messages == ["The genre 'all' gets no fallback list: the list of that name is everybody's."]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_files_without_rows_have_all_columns(con, tmp_path: Path, shape) -> None:
    lists = lists_of(con, tmp_path, np.zeros(shape), RecommendSettings())
    assert (lists.n_rows, lists.n_similar, lists.n_fallback) == (0, 0, 0)
    for name, columns in COLUMNS.items():
        table = pq.read_table(lists.folder / f"{name}.parquet")
        assert table.column_names == columns
        assert table.schema.field(columns[0]).type == (pa.string() if "fallback" in name else pa.int64())


def test_fallback_lists_are_by_the_last_backfill_model(con, tmp_path: Path) -> None:
    """The content model, here the champion, does not rank items without a genre."""
    lists = lists_of(con, tmp_path, LIKES, RecommendSettings(), champion="content", Drama=[1])
    fallback = [(row["segment"], row["item_id"]) for row in rows(lists, "fallback_recommendations")]
    assert fallback == [("Drama", 201), ("all", 200), ("all", 201)]


ARMS = Arms(0.4, "salt")


def test_a_trial_gives_some_users_the_lists_of_the_challenger(con, tmp_path: Path, monkeypatch) -> None:
    """Each arm's lists are those that all users would have got, also across blocks; ids and ranks stay sorted."""
    monkeypatch.setattr(recommend_module, "_BLOCK", 3)
    likes = np.random.default_rng(4).random((11, 8)) < 0.3
    settings = RecommendSettings(n=4)
    genres = {"Drama": [0, 1, 2], "Crime": [3, 4, 5], "Noir": [1, 5, 6, 7]}
    made: dict[str, list[dict]] = {}
    for name, options in {
        "popularity": {},
        "content": {"champion": "content"},
        "trial": {"challenger": "content", "arms": ARMS},
    }.items():
        (tmp_path / name).mkdir()
        lists = lists_of(con, tmp_path / name, likes, settings, **options, **genres)
        made[name] = rows(lists, "recommendations")
    drawn = dict(zip(range(100, 111), ARMS.in_trial(range(100, 111)), strict=True))
    assert 0 < sum(drawn.values()) < 11, "the salt must draw users of both arms"
    assert [(row["user_id"], row["rank"]) for row in made["trial"]] == sorted(
        (row["user_id"], row["rank"]) for row in made["trial"]
    )
    expected = [
        row | {"variant": "trial" if drawn[row["user_id"]] else "control"}
        for name in ("popularity", "content")
        for row in made[name]
        if drawn[row["user_id"]] == (name == "content")
    ]
    assert made["trial"] == sorted(expected, key=lambda row: (row["user_id"], row["rank"]))
    assert lists.n_trial == sum(drawn.values())
    assert "in the trial" in lists.in_short


def test_a_trial_that_draws_nobody_has_its_column(con, tmp_path: Path) -> None:
    lists = lists_of(con, tmp_path, LIKES, RecommendSettings(n=2), challenger="content", arms=Arms(1e-9, "s"))
    assert [row["variant"] for row in rows(lists, "recommendations")] == ["control"]
    assert lists.n_trial == 0
