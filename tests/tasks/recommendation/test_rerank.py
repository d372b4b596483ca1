"""Whatever is asked for after scoring, lists stay lists, and keep what was promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.baselines.popularity import Popularity
from models.content.profiles import Content
from models.factors.bpr import BPR
from models.interactions import Interactions
from models.numerics.unit_vectors import vectors_of_features
from models.ranking.mmr import FIRST_PAGE
from tasks.recommendation.backfill import completed_lists
from tasks.recommendation.explanations import nameable, reasons_for
from tasks.recommendation.item_rules import ItemRules
from tasks.recommendation.rerank import AfterScoring

N_USERS, N_ITEMS, N_GENRES, N_NEW = 30, 60, 5, 12


def snapshot() -> Interactions:
    """Items of one or two genres; nobody has met the last ones."""
    rng = np.random.default_rng(7)
    positive = rng.random((N_USERS, N_ITEMS)) < 0.15
    positive[:, -N_NEW:] = False
    positive[0, :-N_NEW] = True  # somebody who has seen everything
    features = np.zeros((N_ITEMS, N_GENRES), np.float32)
    for _ in range(2):
        features[np.arange(N_ITEMS), rng.integers(0, N_GENRES, N_ITEMS)] = 1
    plain = Interactions.from_positive(sparse.csr_array(positive.astype(np.float32)))
    return replace(
        plain,
        item_features=sparse.csr_array(features),
        feature_names=tuple(f"genre:{g}" for g in range(N_GENRES)),
    )


DATA = snapshot()
SEEN = DATA.seen.toarray() != 0
IS_NEW = ~SEEN.any(axis=0)
BPR_, CONTENT, POPULARITY = (model.fit(DATA, seed=1) for model in (BPR(), Content(), Popularity()))
MODELS = [BPR_, CONTENT, POPULARITY]
USERS = np.arange(N_USERS)
NO_RULES = ItemRules(np.zeros(N_ITEMS, bool), {}, np.zeros(N_ITEMS, np.float32))
PLAIN = AfterScoring(
    n=15,
    eligible=None,
    rules=NO_RULES,
    diversity=0.0,
    max_per_genre=0,
    new_item_share=0.0,
    is_new=IS_NEW,
    vectors=vectors_of_features(CONTENT.item_profiles_, seed=1),
    genres=DATA.item_features,
)


@st.composite
def wishes(draw: st.DrawFn) -> AfterScoring:
    items = st.integers(0, N_ITEMS - 1)
    blocked = np.zeros(N_ITEMS, bool)
    blocked[draw(st.lists(items, max_size=10))] = True
    positions = draw(st.dictionaries(items, st.none() | st.integers(1, 20), max_size=4))
    boosts = np.zeros(N_ITEMS, np.float32)
    boosts[draw(st.lists(items, max_size=5))] = draw(st.sampled_from([-1.0, 0.3, 2.0]))
    return replace(
        PLAIN,
        n=draw(st.sampled_from([1, 5, 15, 60])),
        eligible=~blocked if blocked.any() else None,
        rules=ItemRules(blocked, {i: p for i, p in positions.items() if not blocked[i]}, boosts),
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        max_per_genre=draw(st.sampled_from([0, 3])),
        new_item_share=draw(st.sampled_from([0.0, 0.1, 0.5])),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(after=wishes(), exclude_seen=st.booleans())
def test_lists_keep_what_was_promised(after: AfterScoring, exclude_seen: bool) -> None:
    lists = after.lists(MODELS, USERS, DATA.seen if exclude_seen else None)
    plain = completed_lists(MODELS, USERS, after.n, DATA.seen if exclude_seen else None, after.eligible)
    for user in USERS:
        there = lists.items[user] >= 0
        items, scores = lists.items[user][there], lists.scores[user][there]
        assert there.sum() >= (plain.items[user] >= 0).sum(), "as many rows as without any wish"
        assert not there[there.sum() :].any(), "padding comes last"
        assert len(set(items)) == len(items)
        assert not after.rules.blocked[items].any()
        assert not (exclude_seen and SEEN[user][items].any())
        assert np.isfinite(scores).all()
        assert (np.diff(scores) <= 0).all()
        for place, item in after.rules.places(after.n).items():
            if not (exclude_seen and SEEN[user][item]) and there.sum() == after.n:
                assert items[place] == item
                assert lists.placed_by[user][place] == len(MODELS)
                assert np.isnan(lists.model_scores[user][place])


@pytest.mark.parametrize("exclude", [DATA.seen, None])
def test_without_a_wish_lists_are_those_of_the_models(exclude) -> None:
    found, plain = PLAIN.lists(MODELS, USERS, exclude), completed_lists(MODELS, USERS, PLAIN.n, exclude)
    for mine, theirs in zip(found, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_first_page_keeps_the_cap_where_there_is_enough_to_choose_from() -> None:
    lists = replace(PLAIN, max_per_genre=5).lists(MODELS, USERS[1:], DATA.seen)
    genres = DATA.item_features.toarray()
    per_genre = genres[lists.items[:, :FIRST_PAGE]].sum(axis=1)
    assert per_genre.max() <= 5
    unchecked = PLAIN.lists(MODELS, USERS[1:], DATA.seen)
    assert genres[unchecked.items[:, :FIRST_PAGE]].sum(axis=1).max() > 5, "or the cap had nothing to do"


def test_diversity_makes_lists_less_alike() -> None:
    def likeness(diversity: float) -> float:
        items = replace(PLAIN, diversity=diversity).lists(MODELS, USERS[1:], DATA.seen).items
        vectors = PLAIN.vectors[items]
        return float(np.einsum("uif,ujf->uij", vectors, vectors).mean())

    assert likeness(0.0) > likeness(0.3) > likeness(0.8)


def test_new_items_close_every_stretch_of_one_over_their_share() -> None:
    lists = replace(PLAIN, new_item_share=0.2).lists(MODELS, USERS[1:], DATA.seen)
    is_new = IS_NEW[lists.items]
    assert is_new.sum(axis=1).tolist() == [3] * (N_USERS - 1)
    assert is_new[:, [4, 9, 14]].all()
    assert (lists.placed_by[:, [4, 9, 14]] == MODELS.index(CONTENT)).all()


def test_a_boost_means_the_same_on_any_scale_and_reaches_below_the_candidates() -> None:
    worst = int(BPR_.score(USERS[1:2])[0, ~IS_NEW & ~SEEN[1]].argmin())
    worst = np.flatnonzero(~IS_NEW & ~SEEN[1])[worst]
    boosts = np.zeros(N_ITEMS, np.float32)
    boosts[worst] = 2
    after = replace(PLAIN, rules=replace(NO_RULES, boosts=boosts))
    assert after.lists(MODELS, USERS[1:2], DATA.seen).items[0, 0] == worst

    scaled = BPR().fit(DATA, seed=1)
    scaled.user_factors_, scaled.item_bias_ = scaled.user_factors_ * 64, scaled.item_bias_ * 64
    boosts[worst] = 0.5
    one, other = (after.lists([model, *MODELS[1:]], USERS, DATA.seen) for model in (BPR_, scaled))
    np.testing.assert_array_equal(one.items, other.items)


class Vain(BPR):
    """As a blend does, it finds what it is asked for good, if it is asked for little."""

    def _recommend(self, users, n, exclude, eligible):
        top = super()._recommend(users, n, exclude, eligible)
        return top._replace(scores=top.scores + 100) if eligible.sum() < N_ITEMS / 2 else top


@pytest.mark.parametrize("kind", [BPR, Vain])
def test_what_is_no_candidate_is_worth_no_more_than_the_last_one(
    kind: type[BPR], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.recommendation.rerank._MORE", 5)
    model = kind().fit(DATA, seed=1)
    unseen = np.flatnonzero(~IS_NEW & ~SEEN[1])
    worst = unseen[model.score(USERS[1:2])[0, unseen].argmin()]
    plain = PLAIN.lists([model, *MODELS[1:]], USERS[1:2], DATA.seen).items[0]
    assert worst not in plain
    places = []
    for boost in (0.01, 0.9, 20.0):
        boosts = np.zeros(N_ITEMS, np.float32)
        boosts[worst] = boost
        after = replace(PLAIN, rules=replace(NO_RULES, boosts=boosts))
        lists = after.lists([model, *MODELS[1:]], USERS[1:2], DATA.seen).items[0]
        assert [item for item in lists if item != worst] == list(plain[: len(set(lists) - {worst})])
        places.append(int(np.append(np.flatnonzero(lists == worst), len(lists))[0]))
    assert places[0] == len(plain), "a touch of a boost does not lift it over twenty others"
    assert places[2] == 0
    assert 0 <= places[2] <= places[1] <= places[0]


def test_reasons_are_liked_not_blocked_and_missing_where_nobody_placed_anything() -> None:
    blocked = np.arange(N_ITEMS) % 3 == 0
    liked = nameable(DATA.positive, blocked)
    pinned = replace(PLAIN, rules=replace(NO_RULES, pinned={50: 1}))
    lists = pinned.lists(MODELS, USERS, DATA.seen)
    reasons = reasons_for(lists, USERS, MODELS, [CONTENT], liked)
    row, place = np.nonzero(reasons >= 0)
    assert len(row) > 0
    assert SEEN[row, reasons[row, place]].all()
    assert not blocked[reasons[row, place]].any()
    assert (reasons[:, 0] == -1).all(), "an editor pinned it"
    assert (reasons[lists.items < 0] == -1).all()


def test_stand_ins_say_why_where_the_model_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = PLAIN.lists(MODELS, USERS, DATA.seen)
    monkeypatch.setattr(BPR, "because_of", lambda *_: None)
    found = reasons_for(lists, USERS, MODELS, [POPULARITY, CONTENT], DATA.positive)
    mine = lists.placed_by == 0
    expected = CONTENT.because_of(USERS, np.where(mine, lists.items, -1), DATA.positive)
    np.testing.assert_array_equal(found[mine], expected[mine])
