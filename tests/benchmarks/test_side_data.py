"""Links, relations and attributes as benchmarks read them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks import accuracy
from benchmarks.side_data import read_attributes, read_links, read_relations, with_side_data
from models.interactions import Interactions
from tasks.errors import UsageError


def written(folder: Path, text: str) -> Path:
    path = folder / "file"
    path.write_text(text, encoding="utf-8")
    return path


def test_links_are_mutual_and_the_greatest_weight_counts(tmp_path: Path) -> None:
    links = read_links(written(tmp_path, "0 1\n1 0 3\n\n2 2\n0 9\n2 1 0.5\n"), 3)
    assert links.toarray().tolist() == [[0, 3, 0], [3, 0, 0.5], [0, 0.5, 0]]
    assert (links.dtype, links.has_canonical_format) == (np.float32, True)


def test_relations_name_items_by_their_prefix(tmp_path: Path) -> None:
    text = "item:1\tdirected_by\tFritz Lang\nitem:0\tsequel_of\titem:1\nitem:9\tdirected_by\tMurnau\n"
    found = read_relations(written(tmp_path, text + "item:1\tdirected_by\tFritz Lang\n"), 3)
    assert found.entity_names == ("Fritz Lang",)
    assert found.relation_names == ("directed_by", "sequel_of")
    assert found.triples.tolist() == [[0, 1, 1], [1, 0, 3]]


def test_attributes_are_features_of_items(tmp_path: Path) -> None:
    matrix, names = read_attributes(written(tmp_path, '{"1": [7, "b", 7], "0": [], "5": [8]}'), 3)
    assert names == ("attribute:7", "attribute:b")
    assert matrix.toarray().tolist() == [[0, 0], [1, 1], [0, 0]]
    assert matrix.dtype == np.float32


@pytest.mark.parametrize("line", ["0", "0 1 2 3", "a b", "-1 2", "0 1 0", "0 1 inf", "0 1 nan"])
def test_a_line_that_is_no_link_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"Line 2 of .* is .*, not `user friend"):
        read_links(written(tmp_path, f"0 1\n{line}\n"), 3)


@pytest.mark.parametrize("line", ["item:1 r x", "item:one\tr\tx", "item:1\tr", "item:1\tr\tx\ty"])
def test_a_line_that_is_no_relation_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match=r"Line 1 of .* is .*, not `head<tab>relation<tab>tail`"):
        read_relations(written(tmp_path, line), 3)


@pytest.mark.parametrize("text", ["[1]", '{"a": [1]}', '{"1": 2}', "no json"])
def test_attributes_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is not a readable JSON object of item to list of attributes"):
        read_attributes(written(tmp_path, text), 3)


def test_files_that_are_not_named_add_nothing() -> None:
    data = Interactions.from_positive(sparse.csr_array(np.eye(2, dtype=np.float32)))
    same = with_side_data(data, argparse.Namespace(links=None, relations=None, attributes=None))
    assert same.links is same.relations is None
    assert same.item_features.shape == (2, 0)


def test_a_model_of_links_lists_by_the_friends_of_a_user(benchmark) -> None:
    """User 4 has no likes, and friends among the users of items 0 to 3: finds item 1 with them, nothing without."""
    train = "0 0 1 2\n1 1 2 3\n2 0 1 3\n3 4 5 6\n5 4 6 7\n6 5 6 7\n"
    asked = ("--model", "social_gcn", "--set", "factors=4", "--k", "4")
    with_friends = benchmark(accuracy.main, *asked, train=train, test="4 0 1 2 3\n", links="4 0\n4 1\n4 2\n")
    assert with_friends.startswith("recall@4=1.00000 ")
    assert benchmark(accuracy.main, *asked, train=train, test="4 0 1 2 3\n").startswith("recall@4=0.00000 ")
