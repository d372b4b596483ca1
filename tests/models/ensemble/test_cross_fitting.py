"""Cross-fitting: users are ranked by out-of-fold weights; the weights rank well; too few users are refused."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import sparse

from models.base import TopN
from models.ensemble.blend import Blend
from models.ensemble.cross_fitting import METHODS, TooFewUsersError, learn
from models.ensemble.settings import MIN_TRAINING_USERS, BlendOptions
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions
from tests.models.contract import N_ITEMS, N_USERS, same, small_world
from tests.models.ensemble.test_blend import blend

USERS = np.array([u for u in range(N_USERS) if u not in (3, 11)])
FEW_FOLDS = BlendOptions(folds=3, regularization=2.0)


def relevant_of_taste(seed: int = 0) -> sparse.csr_array:
    """Unseen items that each user would like: mostly of their parity, as in `small_world`."""
    seen = small_world().seen.toarray()[USERS]
    taste = USERS[:, None] % 2 == np.arange(N_ITEMS)[None, :] % 2
    wanted = (seen == 0) & (np.random.default_rng(seed).random(seen.shape) < np.where(taste, 0.4, 0.02))
    wanted[:, 5] = False
    return sparse.csr_array(wanted.astype(np.float32))


def ndcg(lists: np.ndarray, relevant: sparse.csr_array) -> np.ndarray:
    return np.nan_to_num(ranking_metrics(lists, relevant, [10])["ndcg@10"])


def learned(relevant: sparse.csr_array, options: BlendOptions = FEW_FOLDS, seed: int = 4, users=USERS):
    data: Interactions = small_world()
    return learn(
        blend(data, {}), users, relevant, options, ndcg,
        exclude=data.seen, eligible=np.ones(N_ITEMS, bool), n=10, seed=seed,
    )  # fmt: skip


def weights(model: Blend) -> np.ndarray:
    return np.array([model.config.weights.get(name, 0.0) for name in model.feature_names])


@pytest.mark.parametrize("method", ["ranks", "scores", "ranker"])
def test_users_are_ranked_by_out_of_fold_weights(method) -> None:
    """Replacing the likes of one fold changes all weights but those that rank it."""
    options = FEW_FOLDS.model_copy(update={"method": method})
    relevant = relevant_of_taste()
    before, _ = learned(relevant, options)
    shuffled = relevant.tolil()
    in_fold = np.flatnonzero(before.fold_[USERS] == 1)
    shuffled[in_fold] = relevant_of_taste(seed=9)[in_fold][:, ::-1]
    after, _ = learned(sparse.csr_array(shuffled), options)
    assert np.array_equal(after.fold_, before.fold_)
    assert np.array_equal(after.fold_weights_[1], before.fold_weights_[1])
    assert not np.array_equal(after.fold_weights_[0], before.fold_weights_[0])
    assert not np.array_equal(weights(after), weights(before))
    asked = USERS[in_fold]
    assert np.array_equal(after.recommend(asked, 10).items, before.recommend(asked, 10).items)


def test_only_training_users_are_in_a_fold() -> None:
    model, report = learned(relevant_of_taste())
    assert set(model.fold_[USERS]) == {0, 1, 2}
    assert (np.delete(model.fold_, USERS) == -1).all()
    assert report.n_users <= len(USERS)
    assert set(report.scores) == set(METHODS)


def test_the_best_method_is_kept_with_its_features_only() -> None:
    model, report = learned(relevant_of_taste())
    assert report.scores[report.method] == max(report.scores.values())
    assert all(name.startswith(METHODS[report.method]) for name in model.config.weights)
    one, other = learned(relevant_of_taste(), FEW_FOLDS.model_copy(update={"method": "scores"}))
    assert other.scores == {"scores": report.scores["scores"]}
    assert set(one.config.weights) == {"score item_knn", "score als", "score popularity"}


def test_learned_weights_rank_better_than_popularity() -> None:
    data, relevant = small_world(), relevant_of_taste()
    _, report = learned(relevant)
    popular = blend(data, {"score popularity": 1.0}).recommend(USERS, 10, exclude=data.seen).items
    assert report.scores[report.method] > 1.3 * ndcg(popular, relevant).mean()


def test_seed_decides_the_folds_but_not_the_final_weights() -> None:
    one, two, other = (learned(relevant_of_taste(), seed=seed)[0] for seed in (4, 4, 5))
    assert one.config == two.config
    assert np.array_equal(one.fold_weights_, two.fold_weights_)
    assert not np.array_equal(one.fold_, other.fold_)
    np.testing.assert_allclose(
        weights(one), weights(other), err_msg="all users are learned from, whatever their fold"
    )


def test_learning_does_not_change_the_given_blend() -> None:
    data = small_world()
    given = blend(data, {"score als": 1.0})
    learn(
        given, USERS, relevant_of_taste(), FEW_FOLDS, ndcg,
        exclude=data.seen, eligible=np.ones(N_ITEMS, bool), n=10, seed=4,
    )  # fmt: skip
    assert given.config.weights == {"score als": 1.0}
    assert (given.fold_ == -1).all()


def test_the_members_lists_teach_as_asking_them_does() -> None:
    data, options = small_world(), FEW_FOLDS.model_copy(update={"learn_users": 45})
    given = blend(data, {}, candidates=8)
    lists = [member.recommend(USERS, 12, exclude=data.seen) for member in given.members]
    asked, told = (
        learn(
            given, USERS, relevant_of_taste(), options, ndcg,
            exclude=data.seen, eligible=np.ones(N_ITEMS, bool), n=5, seed=4, listed=listed,
        )
        for listed in ((), lists)
    )  # fmt: skip
    assert asked[0].config == told[0].config
    assert np.array_equal(asked[0].fold_weights_, told[0].fold_weights_)
    assert asked[1] == told[1]
    ranked = told[0].rank_listed(USERS, 8, lists)
    assert same(ranked, told[0].recommend(USERS, 8, exclude=data.seen))
    assert not same(ranked, told[0].rank_listed(USERS, 8, lists[::-1])), "they come in the members' order"


def test_lists_that_do_not_suit_the_blend_are_refused() -> None:
    data = small_world()
    given = blend(data, {}, candidates=8)
    lists = [member.recommend(USERS, 8, exclude=data.seen) for member in given.members]
    with pytest.raises(ValueError, match="3 members must have listed 8 items"):
        given.rank_listed(USERS, 5, lists[:2])
    with pytest.raises(ValueError, match="3 members must have listed 8 items"):
        given.rank_listed(USERS, 5, [TopN(each.items[:, :7], each.scores[:, :7]) for each in lists])
    with pytest.raises(ValueError, match="9 places cannot be filled from 8 candidates"):
        given.rank_listed(USERS, 9, lists)


def test_learn_users_limits_the_training_users() -> None:
    options = FEW_FOLDS.model_copy(update={"learn_users": 40})
    model, report = learned(relevant_of_taste(), options)
    assert (model.fold_ >= 0).sum() == 40
    assert MIN_TRAINING_USERS <= report.n_users <= 40


@pytest.mark.parametrize("count", [0, 1, MIN_TRAINING_USERS - 1])
def test_fewer_than_30_training_users_are_refused(count: int) -> None:
    relevant = relevant_of_taste()
    with_likes = np.flatnonzero(np.diff(relevant.indptr))
    few = with_likes[:count]
    with pytest.raises(TooFewUsersError, match=f"needs 30 users of the select half .* there are {count}"):
        learned(sparse.csr_array(relevant[few]), users=USERS[few])
    enough = with_likes[:MIN_TRAINING_USERS]
    assert learned(sparse.csr_array(relevant[enough]), users=USERS[enough])[1].n_users == MIN_TRAINING_USERS


def test_users_without_a_relevant_candidate_do_not_count() -> None:
    nothing = sparse.csr_array((len(USERS), N_ITEMS), dtype=np.float32)
    with pytest.raises(TooFewUsersError, match="there are 0"):
        learned(nothing)


def learned_from(model: Blend, options: BlendOptions, listed: Sequence[TopN] = ()) -> Blend:
    return learn(
        model, USERS, relevant_of_taste(), options, ndcg,
        exclude=small_world().seen, eligible=np.ones(N_ITEMS, bool), n=10, seed=4, listed=listed,
    )[0]  # fmt: skip


def test_members_without_a_weight_are_left_out() -> None:
    """Greedy selection adds only what helps; the blend is what it would be without the others."""
    options = FEW_FOLDS.model_copy(update={"method": "greedy"})
    model = blend(small_world(), {}, candidates=10)
    found = learned_from(model, options)
    assert 0 < len(found.members) < 3
    assert [member.name for member in found.members] == list(found.config.members) == found.used_members
    alone = learned_from(model.of_members(found.used_members), options)
    assert alone.config == found.config
    assert same(alone.recommend(USERS, 10), found.recommend(USERS, 10))


@pytest.mark.parametrize("method", ["auto", "ranker", "scores"])
def test_no_more_members_are_in_use_than_allowed(method: str) -> None:
    relevant = relevant_of_taste()
    whole, _ = learned(relevant, FEW_FOLDS.model_copy(update={"method": method}))
    one, _ = learned(relevant, FEW_FOLDS.model_copy(update={"method": method, "max_members": 1}))
    assert len(whole.members) > 1
    assert len(one.members) == 1
    helped = [
        ndcg(member.recommend(USERS, 10, exclude=small_world().seen).items, relevant).mean()
        for member in whole.members
    ]
    assert one.members[0].name == whole.members[int(np.argmax(helped))].name


def test_lists_teach_the_members_in_use_alike() -> None:
    data, model = small_world(), blend(small_world(), {})
    options = FEW_FOLDS.model_copy(update={"max_members": 2})
    lists = [member.recommend(USERS, 100, exclude=data.seen) for member in model.members]
    asked, given = learned_from(model, options), learned_from(model, options, lists)
    assert len(asked.members) == 2
    assert asked.config == given.config


def test_item_vectors_keep_their_member_in_use() -> None:
    model = blend(small_world(), {"score popularity": 1.0, "near last 3": 0.5})
    assert model.used_members == ["als", "popularity"]
    assert model.with_weights({"popularity": 1.0, "score item_knn": 1.0}).used_members == ["item_knn"]
