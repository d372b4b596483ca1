"""Lists and metrics of held-out users: the same however the users are cut into blocks, and from a pickled job."""

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender, TopN
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.evaluation.metrics import list_metrics, ranking_metrics
from models.interactions import Interactions, load_matrix
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import Evaluation, FittedModel
from tasks.engine.engine import Rows, blocks_of
from tasks.evaluation.judged_blocks import JudgeJob, open_judged_users, write_judged
from tasks.preparation.item_statistics import load_item_statistics
from tasks.storage.kept_lists import kept_lists
from tasks.training.load_model import load_model
from tests.models.contract import same
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
    write_judged((judged(rows) for rows in blocks_of(len(judged.users), size)), len(judged.users), tmp_path)
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


@pytest.mark.parametrize("size", [1, 5, 100])
def test_candidates_are_kept_as_the_model_alone_lists_them(job: JudgeJob, size: int, tmp_path: Path) -> None:
    with_candidates = open_judged_users(replace(job, candidates=3))
    tables = [with_candidates(rows) for rows in blocks_of(12, size)]
    lists = [open_judged_users(job)(rows)["items"] for rows in blocks_of(12, size)]
    assert [table["items"] for table in tables] == lists, "the judged lists stay what they are"
    write_judged(tables, 12, tmp_path)
    found = kept_lists(Evaluation("e", tmp_path, "item_knn", 0.0))
    alone = with_candidates.models[0].recommend(
        with_candidates.users, 3, exclude=with_candidates.seen, items=with_candidates.touched
    )
    assert same(TopN(*map(np.asarray, found)), alone)
    assert (found.items < 0).any(), "places that only other models fill"


def test_a_blend_is_judged_by_what_its_members_listed(job: JudgeJob, tmp_path: Path) -> None:
    """Its members are not asked, unless the judged lists are longer than its candidates."""
    members = [load_model(each) for each in (job.fitted, *job.backfill)]
    places = {member.name: f"../{member.name}" for member in members}
    weights = {"1/rank item_knn": 1.0, "score popularity": 0.3}
    data = Interactions.load(job.snapshot.folder)
    judged = []
    for number, each in enumerate((job.fitted, *job.backfill)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        opened = open_judged_users(replace(job, fitted=each, candidates=5))
        write_judged([opened(rows) for rows in blocks_of(12, 7)], 12, folder)
        judged.append(Evaluation("e", folder, each.model, 0.0))
    for candidates, is_asked in ((4, False), (5, False), (3, True)):
        config = BlendConfig(candidates=candidates, members=places, weights=weights)
        Blend(config, members).fit(data, seed=3).save(job.fitted.folder.parent / "blend")
        blend = FittedModel("b", job.fitted.folder.parent / "blend", "blend", 0.0, 0.0)
        plain = open_judged_users(replace(job, fitted=blend))
        quick = open_judged_users(replace(job, fitted=blend, members=tuple(judged)))
        asked: list[Recommender] = []
        for member in quick.models[0].members:
            member.recommend = partial(_noted, member, asked)
        for rows in blocks_of(12, 5):
            assert repr(quick(rows).to_pylist()) == repr(plain(rows).to_pylist()), "NaN for NaN"
        assert bool(asked) == is_asked


def _noted(model: Recommender, asked: list[Recommender], *args: Any, **options: Any) -> TopN:
    asked.append(model)
    return type(model).recommend(model, *args, **options)


def test_no_held_out_user_makes_empty_files(job: JudgeJob, tmp_path: Path) -> None:
    judged = open_judged_users(job)
    none = judged(Rows(0, 0))
    assert none.num_rows == 0
    write_judged([none], 0, tmp_path)
    with np.load(tmp_path / "lists.npz", allow_pickle=False) as found:
        assert found["items"].shape == (0, 4)
