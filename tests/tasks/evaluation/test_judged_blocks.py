"""Lists and metrics of held-out users: the same however the users are cut into blocks, and from a pickled job."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.baselines.popularity import Popularity
from models.evaluation.metrics import list_metrics, ranking_metrics
from models.interactions import Interactions, load_matrix
from models.neighbours.item_knn import ItemKNN
from tasks.engine.engine import Rows, blocks_of
from tasks.evaluation.judged_blocks import JudgeJob, open_judged_users, write_judged
from tasks.preparation.item_statistics import load_item_statistics
from tests.tasks.evaluation.test_evaluate import held_out, kept, snapshot_of

N_USERS, N_ITEMS, K = 23, 5, (1, 4)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> JudgeJob:
    folder, rng = tmp_path_factory.mktemp("judged"), np.random.default_rng(5)
    likes = rng.random((N_USERS, N_ITEMS)) < 0.4
    data = Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32))
    popular, knn = kept(folder, Popularity(), data), kept(folder, ItemKNN(), data)
    snapshot = snapshot_of(folder, data)
    wanted = {user: rng.choice(N_ITEMS, 2, replace=False).tolist() for user in range(0, N_USERS, 2)}
    return JudgeJob(knn, (popular,), snapshot, held_out(folder, snapshot, wanted, []), K)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_files_do_not_depend_on_the_blocks(job: JudgeJob, size: int, tmp_path: Path) -> None:
    judged = open_judged_users(pickle.loads(pickle.dumps(job)))
    write_judged((judged(rows) for rows in blocks_of(len(judged.users), size)), tmp_path)
    with np.load(tmp_path / "lists.npz", allow_pickle=False) as found:
        lists = found["items"]
        of_lists = list_metrics(lists, load_item_statistics(job.held_out), K)
        assert list(found) == ["items", *of_lists]
        assert all(np.array_equal(found[name], each, equal_nan=True) for name, each in of_lists.items())
    assert (lists.shape, lists.dtype) == ((12, 4), np.int32)
    relevant = load_matrix(job.held_out.folder, "relevant")
    with np.load(tmp_path / "per_user.npz", allow_pickle=False) as found:
        whole = ranking_metrics(lists, relevant, K)
        assert list(found) == list(whole)
        assert all(np.array_equal(found[name], each, equal_nan=True) for name, each in whole.items())
        assert np.mean(found["recall@4"]) > 0
    assert {path.stem for path in tmp_path.iterdir()} == {"per_user", "head", "middle", "tail", "lists"}


def test_no_held_out_user_makes_empty_files(job: JudgeJob, tmp_path: Path) -> None:
    judged = open_judged_users(job)
    none = judged(Rows(0, 0))
    assert none.num_rows == 0
    write_judged([none], tmp_path)
    with np.load(tmp_path / "lists.npz", allow_pickle=False) as found:
        assert found["items"].shape == (0, 4)
