"""Reranked lists are valid for all settings, and keep what each setting promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.content.profiles import Content, ContentConfig
from models.factors.bpr import BPR
from models.interactions import Interactions
from models.numerics.unit_vectors import vectors_of_features
from models.ranking.mmr import FIRST_PAGE
from tasks.artifacts import Snapshot
from tasks.config.settings import RecommendSettings
from tasks.recommendation.backfill import completed_lists
from tasks.recommendation.explanations import explain_lists, explainable_positives
from tasks.recommendation.item_rules import ItemRules
from tasks.recommendation.rerank import Reranking, resolve_reranking
from tests.examples import examples

N_USERS, N_ITEMS, N_GENRES, N_NEW = 30, 60, 5, 12


def snapshot() -> Interactions:
    """Return interactions with items of one or two genres; the last items are new."""
    rng = np.random.default_rng(7)
    positive = rng.random((N_USERS, N_ITEMS)) < 0.15
    positive[:, -N_NEW:] = False
    positive[0, :-N_NEW] = True  # this user has seen every item that is not new
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
PLAIN = Reranking(
    n=15,
    eligible=None,
    rules=NO_RULES,
    diversity=0.0,
    max_per_genre=0,
    new_item_share=0.0,
    new_item_model=CONTENT,
    is_new=IS_NEW,
    vectors=vectors_of_features(CONTENT.item_profiles_, seed=1),
    genres=DATA.item_features,
)


@st.composite
def rerankings(draw: st.DrawFn) -> Reranking:
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


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(reranking=rerankings(), exclude_seen=st.booleans())
def test_lists_are_valid_for_all_settings(reranking: Reranking, exclude_seen: bool) -> None:
    lists = reranking.lists(MODELS, USERS, DATA.seen if exclude_seen else None)
    exclude = DATA.seen if exclude_seen else None
    plain = completed_lists(MODELS, USERS, reranking.n, exclude, reranking.eligible)
    for user in USERS:
        there = lists.items[user] >= 0
        items, scores = lists.items[user][there], lists.scores[user][there]
        assert there.sum() >= (plain.items[user] >= 0).sum(), "as many items as without reranking"
        assert not there[there.sum() :].any(), "padding comes last"
        assert len(set(items)) == len(items)
        assert not reranking.rules.blocked[items].any()
        assert not (exclude_seen and SEEN[user][items].any())
        assert np.isfinite(scores).all()
        assert (np.diff(scores) <= 0).all()
        for place, item in reranking.rules.places(reranking.n).items():
            if not (exclude_seen and SEEN[user][item]) and there.sum() == reranking.n:
                assert items[place] == item
                assert lists.placed_by[user][place] == len(MODELS)
                assert np.isnan(lists.model_scores[user][place])


@pytest.mark.parametrize("exclude", [DATA.seen, None])
def test_without_settings_lists_are_those_of_the_models(exclude) -> None:
    found, plain = PLAIN.lists(MODELS, USERS, exclude), completed_lists(MODELS, USERS, PLAIN.n, exclude)
    for mine, theirs in zip(found, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_first_page_keeps_cap_with_enough_candidates() -> None:
    lists = replace(PLAIN, max_per_genre=5).lists(MODELS, USERS[1:], DATA.seen)
    genres = DATA.item_features.toarray()
    per_genre = genres[lists.items[:, :FIRST_PAGE]].sum(axis=1)
    assert per_genre.max() <= 5
    unchecked = PLAIN.lists(MODELS, USERS[1:], DATA.seen)
    assert genres[unchecked.items[:, :FIRST_PAGE]].sum(axis=1).max() > 5, (
        "otherwise the cap would have no effect"
    )


def test_diversity_makes_items_of_a_list_less_similar() -> None:
    def similarity(diversity: float) -> float:
        items = replace(PLAIN, diversity=diversity).lists(MODELS, USERS[1:], DATA.seen).items
        vectors = PLAIN.vectors[items]
        return float(np.einsum("uif,ujf->uij", vectors, vectors).mean())

    assert similarity(0.0) > similarity(0.3) > similarity(0.8)


def test_new_items_take_the_last_of_every_1_over_share_places() -> None:
    lists = replace(PLAIN, new_item_share=0.2).lists(MODELS, USERS[1:], DATA.seen)
    is_new = IS_NEW[lists.items]
    assert is_new.sum(axis=1).tolist() == [3] * (N_USERS - 1)
    assert is_new[:, [4, 9, 14]].all()
    assert (lists.placed_by[:, [4, 9, 14]] == MODELS.index(CONTENT)).all()


def test_another_model_may_choose_the_new_items() -> None:
    """It is numbered after the models of the lists, and pinned items after it."""
    other = Content(ContentConfig(popularity_exponent=0)).fit(DATA, seed=2)
    reranking = replace(
        PLAIN, new_item_share=0.2, new_item_model=other, rules=replace(NO_RULES, pinned={5: 1})
    )
    assert reranking.placers(MODELS) == [*MODELS, other]
    lists = reranking.lists(MODELS, USERS[1:], None)
    assert (lists.placed_by[:, [4, 9, 14]] == len(MODELS)).all()
    assert (lists.placed_by[:, 0] == len(MODELS) + 1).all()
    expected = other.recommend(USERS[1:], 3, items=IS_NEW)
    np.testing.assert_array_equal(lists.items[:, [4, 9, 14]], expected.items)
    reasons = explain_lists(lists, USERS[1:], reranking.placers(MODELS), [], DATA.positive)
    assert (reasons[:, 4] >= 0).any()


class KnowsNewItems(BPR):
    """A model that knows all items, such as one with item vectors made of features."""

    def _fit(self, *args, **kwargs) -> None:
        super()._fit(*args, **kwargs)
        self.known_items_ = np.ones(N_ITEMS, bool)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("snapshot")
    DATA.save(folder)
    return Snapshot("s", folder, N_USERS, N_ITEMS, 0, 0, 0, 0, N_NEW)


def test_the_first_model_that_knows_new_items_chooses_them(stored: Snapshot) -> None:
    knows = KnowsNewItems().fit(DATA, seed=1)
    asked = RecommendSettings(n=10, new_item_share=0.1)

    def chosen(models: list[Recommender], new_item_model: Recommender | None = None) -> Recommender | None:
        return resolve_reranking(
            stored, asked, NO_RULES, models, new_item_model=new_item_model, seed=1
        ).new_item_model

    assert chosen(MODELS) is CONTENT
    assert chosen([knows, CONTENT, POPULARITY]) is knows
    assert chosen(MODELS, knows) is knows
    assert chosen([knows, CONTENT, POPULARITY], CONTENT) is CONTENT


@pytest.mark.parametrize(
    ("named", "who"),
    [(None, "bpr and popularity"), (POPULARITY, "popularity")],
)
def test_models_that_know_no_new_item_are_warned_of(
    stored: Snapshot, caplog: pytest.LogCaptureFixture, named: Recommender | None, who: str
) -> None:
    asked = RecommendSettings(n=10, new_item_share=0.1)
    resolved = resolve_reranking(stored, asked, NO_RULES, [BPR_, POPULARITY], new_item_model=named, seed=1)
    assert resolved.new_item_model is None
    assert caplog.messages == [
        f"recommend.new_item_share has no effect: {who} cannot rank items without any interaction (there are 12)."
    ]
    caplog.clear()
    without = asked.model_copy(update={"new_item_share": 0.0})
    resolve_reranking(stored, without, NO_RULES, [BPR_, POPULARITY], new_item_model=named, seed=1)
    assert not caplog.messages


def test_boosts_do_not_depend_on_the_scale_of_scores() -> None:
    """They also lift items that are no candidates without them."""
    worst = int(BPR_.score(USERS[1:2])[0, ~IS_NEW & ~SEEN[1]].argmin())
    worst = np.flatnonzero(~IS_NEW & ~SEEN[1])[worst]
    boosts = np.zeros(N_ITEMS, np.float32)
    boosts[worst] = 2
    boosted = replace(PLAIN, rules=replace(NO_RULES, boosts=boosts))
    assert boosted.lists(MODELS, USERS[1:2], DATA.seen).items[0, 0] == worst

    scaled = BPR().fit(DATA, seed=1)
    scaled.user_factors_, scaled.item_bias_ = scaled.user_factors_ * 64, scaled.item_bias_ * 64
    boosts[worst] = 0.5
    one, other = (boosted.lists([model, *MODELS[1:]], USERS, DATA.seen) for model in (BPR_, scaled))
    np.testing.assert_array_equal(one.items, other.items)


class ScoresFewHigh(BPR):
    """A model that, like a blend, gives higher scores when it is asked for few items."""

    def _recommend(self, users, n, exclude, eligible):
        top = super()._recommend(users, n, exclude, eligible)
        return top._replace(scores=top.scores + 100) if eligible.sum() < N_ITEMS / 2 else top


@pytest.mark.parametrize("kind", [BPR, ScoresFewHigh])
def test_boosts_start_from_the_last_candidate_at_most(
    kind: type[BPR], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.recommendation.rerank._EXTRA_CANDIDATES", 5)
    model = kind().fit(DATA, seed=1)
    unseen = np.flatnonzero(~IS_NEW & ~SEEN[1])
    worst = unseen[model.score(USERS[1:2])[0, unseen].argmin()]
    plain = PLAIN.lists([model, *MODELS[1:]], USERS[1:2], DATA.seen).items[0]
    assert worst not in plain
    places = []
    for boost in (0.01, 0.9, 20.0):
        boosts = np.zeros(N_ITEMS, np.float32)
        boosts[worst] = boost
        boosted = replace(PLAIN, rules=replace(NO_RULES, boosts=boosts))
        lists = boosted.lists([model, *MODELS[1:]], USERS[1:2], DATA.seen).items[0]
        assert [item for item in lists if item != worst] == list(plain[: len(set(lists) - {worst})])
        places.append(int(np.append(np.flatnonzero(lists == worst), len(lists))[0]))
    assert places[0] == len(plain), "a tiny boost does not lift it above twenty other items"
    assert places[2] == 0
    assert 0 <= places[2] <= places[1] <= places[0]


def test_reasons_are_liked_items_that_are_not_blocked() -> None:
    """Pinned items and padding have none."""
    blocked = np.arange(N_ITEMS) % 3 == 0
    liked = explainable_positives(DATA.positive, blocked)
    pinned = replace(PLAIN, rules=replace(NO_RULES, pinned={50: 1}))
    lists = pinned.lists(MODELS, USERS, DATA.seen)
    reasons = explain_lists(lists, USERS, MODELS, [CONTENT], liked)
    row, place = np.nonzero(reasons >= 0)
    assert len(row) > 0
    assert SEEN[row, reasons[row, place]].all()
    assert not blocked[reasons[row, place]].any()
    assert (reasons[:, 0] == -1).all(), "pinned by an editor"
    assert (reasons[lists.items < 0] == -1).all()


def test_similar_models_explain_where_the_model_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = PLAIN.lists(MODELS, USERS, DATA.seen)
    monkeypatch.setattr(BPR, "because_of", lambda *_: None)
    found = explain_lists(lists, USERS, MODELS, [POPULARITY, CONTENT], DATA.positive)
    mine = lists.placed_by == 0
    expected = CONTENT.because_of(USERS, np.where(mine, lists.items, -1), DATA.positive)
    np.testing.assert_array_equal(found[mine], expected[mine])
