"""Similar items, pairs and users by the fitted models of the live run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.publication.queries import lists_of
from tasks.publication.targets.base import Target
from tasks.reporting.similarity import compare_items, similar_items_by, similar_users
from tasks.storage.home import Home
from tests.models.contract import EMPTY_USER, N_ITEMS, UNTOUCHED_ITEM
from tests.models.export.fitted import described_world, fitted
from tests.tasks.export.stored import JUDGED, home_with_run, publish_lists


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Target]]:
    """A home whose only run is live, and its serving database."""
    home, run_id = home_with_run(tmp_path_factory.mktemp("similar"))
    publish_lists(home, run_id)
    with lists_of(home, load_settings()) as target:
        yield home, target


def test_similar_items_are_those_of_the_model(live) -> None:
    found, note = similar_items_by(*live, "Film 2", 5, "als")
    expected = fitted("als").similar_items(np.array([2]), 5)
    assert (found.item.item_id, note) == ("i2", "")
    assert [row.item.item_id for row in found.rows] == [f"i{item}" for item in expected.items[0]]
    assert [row.score for row in found.rows] == pytest.approx(expected.scores[0].tolist())
    assert [(row.rank, row.model) for row in found.rows] == [(n, "als") for n in range(1, 6)]


def test_a_judged_model_has_a_note(live) -> None:
    _, note = similar_items_by(*live, "i2", 5, JUDGED)
    assert "does not know the newest data" in note
    assert compare_items(*live, "i2", "i4", JUDGED).note == note
    assert similar_users(*live, "u2", 2, JUDGED).note == note


def test_a_pair_has_its_place_among_all_items(live) -> None:
    items, scores = fitted("als").similar_items(np.array([2]), N_ITEMS)
    similar = items[0][items[0] >= 0]
    for place in (0, 7, len(similar) - 1):
        pair = compare_items(*live, "i2", f"i{similar[place]}", "als")
        assert (pair.place, pair.n_similar, pair.n_known) == (place + 1, len(similar), N_ITEMS - 2)
        assert pair.similarity == pytest.approx(scores[0, place])


def test_a_dissimilar_pair_has_no_place(live) -> None:
    known = np.flatnonzero(fitted("two_tower").known_items_)
    similar = fitted("two_tower").similar_items(known, N_ITEMS).items
    item = int(np.argmin((similar >= 0).sum(axis=1)))
    other = min(set(known) - {known[item], *similar[item]})
    pair = compare_items(*live, f"i{known[item]}", f"i{other}", "two_tower")
    assert (pair.similarity, pair.place, pair.n_similar) == (None, None, (similar[item] >= 0).sum())


def test_the_best_model_compares_by_default(live) -> None:
    assert compare_items(*live, "i2", "i4").model == "als"
    assert similar_users(*live, "u2", 2).model == "als"


def test_similar_users_are_those_of_the_model(live) -> None:
    found = similar_users(*live, "u2", 4, "als")
    expected = fitted("als").similar_users(2, 4)
    assert [row.user_id for row in found.rows] == [f"u{user}" for user in expected.users]
    assert [row.similarity for row in found.rows] == pytest.approx(expected.similarities.tolist())


def test_shared_items_are_liked_by_both_and_the_rarest_come_first(live) -> None:
    likes = described_world().positive.toarray() > 0
    for row in similar_users(*live, "u2", 4, "als").rows:
        both = np.flatnonzero(likes[2] & likes[int(str(row.user_id)[1:])])
        assert row.n_shared == len(both)
        rarest = sorted(both, key=lambda item: (likes[:, item].sum(), item))[:3]
        assert row.shared == tuple(f"Film {item}" for item in rarest)


@pytest.mark.parametrize(
    ("item", "model", "message"),
    [
        ("Film 99", "als", "No item has the id 'Film 99'"),
        ("gone", "als", "does not know item gone: it is not in the data"),
        (f"i{UNTOUCHED_ITEM}", "als", f"does not know Film {UNTOUCHED_ITEM}: nothing that it learns from"),
        (
            "i2",
            "bpr",
            "has no fitted bpr; of its models these find similar items: als, neumf, two_tower, sasrec",
        ),
        ("i2", "popularity", "popularity finds no similar items"),
        ("i2", "alss", "There is no model 'alss'"),
    ],
)
def test_wrong_items_and_models_are_refused(live, item: str, model: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        similar_items_by(*live, item, 5, model)
    with pytest.raises(UsageError, match=message):
        compare_items(*live, "i3", item, model)


def test_an_item_is_not_compared_with_itself(live) -> None:
    with pytest.raises(UsageError, match="'i2' and 'film 2' are the same item, Film 2"):
        compare_items(*live, "i2", "film 2")


@pytest.mark.parametrize(
    ("user", "model", "message"),
    [
        ("nobody", None, "There is no user nobody in the data"),
        (f"u{EMPTY_USER}", "als", f"als does not know user u{EMPTY_USER}"),
        ("u2", "popularity", "popularity finds no similar users"),
        ("u2", "blend", "blend finds no similar users: it is made of other models"),
        (
            "u2",
            "bpr",
            "has no fitted bpr; of its models these find similar users: als, neumf, two_tower, sasrec",
        ),
    ],
)
def test_wrong_users_and_models_are_refused(live, user: str, model: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        similar_users(*live, user, 3, model)


def test_a_run_without_record_has_no_models(live, tmp_path) -> None:
    home, target = live
    elsewhere = Home(tmp_path, **{k: v for k, v in vars(home).items() if k != "path"})
    with pytest.raises(UsageError, match="whose lists are live, are not kept in"):
        similar_users(elsewhere, target, "u2", 3)
