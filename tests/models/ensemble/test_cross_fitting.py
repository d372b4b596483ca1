"""Nobody is ranked by what was learned of them; what the others teach is found; few users teach nothing."""

import numpy as np
import pytest
from scipy import sparse

from models.ensemble.blend import Blend
from models.ensemble.cross_fitting import METHODS, TooFewUsersError, learn
from models.ensemble.settings import MIN_TEACHERS, BlendOptions
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions
from tests.models.contract import N_ITEMS, N_USERS, small_world
from tests.models.ensemble.test_blend import blend

USERS = np.array([u for u in range(N_USERS) if u not in (3, 11)])
FEW_FOLDS = BlendOptions(folds=3, regularization=2.0)


def relevant_of_taste(seed: int = 0) -> sparse.csr_array:
    """What each user has yet to meet and would like: items of their parity, as in `small_world`."""
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
    return np.array([model.config.weights.get(name, 0.0) for name in model.features])


@pytest.mark.parametrize("method", ["ranks", "scores", "ranker"])
def test_nobody_is_ranked_by_weights_that_they_taught(method) -> None:
    options = FEW_FOLDS.model_copy(update={"method": method})
    relevant = relevant_of_taste()
    before, _ = learned(relevant, options)
    shuffled = relevant.tolil()
    victims = np.flatnonzero(before.fold_[USERS] == 1)
    shuffled[victims] = relevant_of_taste(seed=9)[victims][:, ::-1]
    after, _ = learned(sparse.csr_array(shuffled), options)
    assert np.array_equal(after.fold_, before.fold_)
    assert np.array_equal(after.fold_weights_[1], before.fold_weights_[1])
    assert not np.array_equal(after.fold_weights_[0], before.fold_weights_[0])
    assert not np.array_equal(weights(after), weights(before))
    asked = USERS[victims]
    assert np.array_equal(after.recommend(asked, 10).items, before.recommend(asked, 10).items)


def test_every_teacher_is_in_a_fold_and_nobody_else() -> None:
    model, taught = learned(relevant_of_taste())
    assert set(model.fold_[USERS]) == {0, 1, 2}
    assert (np.delete(model.fold_, USERS) == -1).all()
    assert taught.n_users <= len(USERS)
    assert set(taught.scores) == set(METHODS)


def test_the_best_method_out_of_fold_is_kept_and_a_method_uses_its_features_only() -> None:
    model, taught = learned(relevant_of_taste())
    assert taught.scores[taught.method] == max(taught.scores.values())
    assert all(name.startswith(METHODS[taught.method]) for name in model.config.weights)
    one, of_one = learned(relevant_of_taste(), FEW_FOLDS.model_copy(update={"method": "scores"}))
    assert of_one.scores == {"scores": taught.scores["scores"]}
    assert set(one.config.weights) == {"score item_knn", "score als", "score popularity"}


def test_what_is_learned_ranks_better_than_popularity() -> None:
    data, relevant = small_world(), relevant_of_taste()
    _, taught = learned(relevant)
    popular = blend(data, {"score popularity": 1.0}).recommend(USERS, 10, exclude=data.seen).items
    assert taught.scores[taught.method] > 1.3 * ndcg(popular, relevant).mean()


def test_the_same_seed_learns_the_same_and_another_deals_other_folds() -> None:
    one, two, other = (learned(relevant_of_taste(), seed=seed)[0] for seed in (4, 4, 5))
    assert one.config == two.config
    assert np.array_equal(one.fold_weights_, two.fold_weights_)
    assert not np.array_equal(one.fold_, other.fold_)
    np.testing.assert_allclose(weights(one), weights(other), err_msg="all teach, whatever their fold")


def test_learning_leaves_the_blend_that_it_was_given_alone() -> None:
    data = small_world()
    given = blend(data, {"score als": 1.0})
    learn(
        given, USERS, relevant_of_taste(), FEW_FOLDS, ndcg,
        exclude=data.seen, eligible=np.ones(N_ITEMS, bool), n=10, seed=4,
    )  # fmt: skip
    assert given.config.weights == {"score als": 1.0}
    assert (given.fold_ == -1).all()


def test_no_more_users_teach_than_asked() -> None:
    options = FEW_FOLDS.model_copy(update={"learn_users": 40})
    model, taught = learned(relevant_of_taste(), options)
    assert (model.fold_ >= 0).sum() == 40
    assert MIN_TEACHERS <= taught.n_users <= 40


@pytest.mark.parametrize("count", [0, 1, MIN_TEACHERS - 1])
def test_few_users_teach_nothing(count: int) -> None:
    relevant = relevant_of_taste()
    wishing = np.flatnonzero(np.diff(relevant.indptr))
    few = wishing[:count]
    with pytest.raises(TooFewUsersError, match=f"needs 30 users of the select half .* there are {count}"):
        learned(sparse.csr_array(relevant[few]), users=USERS[few])
    enough = wishing[:MIN_TEACHERS]
    assert learned(sparse.csr_array(relevant[enough]), users=USERS[enough])[1].n_users == MIN_TEACHERS


def test_users_whose_wishes_no_member_lists_do_not_count() -> None:
    nothing = sparse.csr_array((len(USERS), N_ITEMS), dtype=np.float32)
    with pytest.raises(TooFewUsersError, match="there are 0"):
        learned(nothing)
