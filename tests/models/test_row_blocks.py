"""Cuts of rows by weight, copies of rows, and exchange between blocks of one process."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.row_blocks import InProcess, cuts_of, rows_between


def test_cuts_make_blocks_of_about_the_same_weight() -> None:
    assert cuts_of(np.ones(9), 3).tolist() == [0, 3, 6, 9]
    assert cuts_of(np.array([8, 1, 1, 1, 1, 4]), 2).tolist() == [0, 1, 6]


@pytest.mark.parametrize(("n_rows", "n_blocks"), [(2, 5), (0, 3), (1, 1)])
def test_cuts_cover_every_row_once(n_rows: int, n_blocks: int) -> None:
    cuts = cuts_of(np.ones(n_rows), n_blocks)
    assert len(cuts) == n_blocks + 1
    assert (cuts[0], cuts[-1]) == (0, n_rows)
    assert (np.diff(cuts) >= 0).all()


def test_rows_between_are_copies() -> None:
    matrix = sparse.random_array((6, 4), density=0.5, rng=np.random.default_rng(0), format="csr")
    found = rows_between(matrix, 2, 5)
    assert np.array_equal(found.toarray(), matrix.toarray()[2:5])
    found.data[:] = 0
    assert matrix.data.all()


class Post:
    """A block that writes to every other."""

    def __init__(self, rows: sparse.csr_array, number: int) -> None:
        self.number, self.got = number, []

    def letters(self, greeting: str) -> list[str]:
        return [f"{greeting} {to} from {self.number}" for to in range(2)]

    def read(self, letters, end: str) -> None:
        self.got = [letter + end for letter in letters]


def test_every_block_gets_what_each_sent_to_it(tmp_path: Path) -> None:
    runner = InProcess(2, tmp_path)

    def work(blocks, cuts):
        blocks.exchange("letters", "read", "!", about=("to",))
        return [each.got for each in runner._blocks]

    found = runner.run(Post, sparse.csr_array((4, 1)), work)
    assert found == [["to 0 from 0!", "to 0 from 1!"], ["to 1 from 0!", "to 1 from 1!"]]
