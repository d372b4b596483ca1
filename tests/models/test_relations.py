from pathlib import Path

import numpy as np
import pytest

from models.relations import Relations

_TRIPLES = np.array([[0, 0, 3], [2, 1, 1]], np.int32)


def test_relations_survive_saving(tmp_path: Path) -> None:
    made = Relations(_TRIPLES, 3, ("director", "sequel_of"), ("Ærøskøbing",))
    assert made.n_nodes == 4
    made.save(tmp_path)
    read = Relations.load(tmp_path)
    assert read is not None
    assert np.array_equal(read.triples, _TRIPLES)
    assert (read.n_items, read.relation_names, read.entity_names) == (
        3,
        made.relation_names,
        made.entity_names,
    )


def test_a_folder_without_relations_has_none(tmp_path: Path) -> None:
    assert Relations.load(tmp_path) is None


@pytest.mark.parametrize(
    ("triples", "reason"),
    [
        (_TRIPLES.astype(np.int64), r"int64 \(2, 3\): make them int32"),
        (_TRIPLES[:, :2], r"int32 \(2, 2\)"),
        (_TRIPLES + np.array([[0, 0, 1]], np.int32), "a tail of the triples lies outside 0 to 3"),
        (_TRIPLES + np.array([[0, 1, 0]], np.int32), "a relation of the triples lies outside 0 to 1"),
        (_TRIPLES - np.array([[1, 0, 0]], np.int32), "a head of the triples lies outside 0 to 3"),
    ],
)
def test_triples_that_do_not_fit_are_refused(triples: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Relations(triples, 3, ("director", "sequel_of"), ("a",))
