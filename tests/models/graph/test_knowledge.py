from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.graph.knowledge import Facts, edge_attention, facts_of
from models.interactions import Interactions
from models.numerics.unit_vectors import unit_vectors
from models.relations import Relations
from tests.models.contract import small_world


def plain_attention(facts: Facts, vectors: np.ndarray) -> np.ndarray:
    """Return the attention by loops over pairs: the formula of the docstring, with 20 pairs of the relation's mean."""
    n = facts.n_items
    met = [i for i in range(n) if np.linalg.norm(vectors[i]) > 0]
    every = [vectors[i] @ vectors[j] for i in met for j in met if i < j]
    chance = float(np.mean(every)) if every else 0.0
    of_entity: dict[tuple[int, int], list[float]] = {}
    of_relation: dict[int, list[float]] = {}
    for head, tail, relation in zip(facts.heads, facts.tails, facts.relations, strict=True):
        ends = sorted((int(head), int(tail)))
        if ends[1] < n:
            if set(ends) <= set(met):
                of_relation.setdefault(relation, []).append(vectors[ends[0]] @ vectors[ends[1]] - chance)
        elif ends[0] < n:
            of_entity.setdefault((relation, ends[1]), [])
    for (relation, entity), cosines in of_entity.items():
        items = {
            int(min(h, t))
            for h, t, r in zip(facts.heads, facts.tails, facts.relations, strict=True)
            if r == relation and max(h, t) == entity and min(h, t) in met
        }
        cosines += [vectors[i] @ vectors[j] - chance for i in items for j in items if i < j]
        of_relation.setdefault(relation, []).extend(cosines)
    found = []
    for head, tail, relation in zip(facts.heads, facts.tails, facts.relations, strict=True):
        mean = sum(of_relation.get(relation, [])) / (len(of_relation.get(relation, [])) + 20)
        low, high = sorted((int(head), int(tail)))
        if low < n <= high:
            cosines = of_entity[relation, high]
            mean = (sum(cosines) + 20 * mean) / (len(cosines) + 20)
        found.append(mean)
    return np.clip(found, 0, 1)


@given(seed=st.integers(0, 10_000), n_items=st.integers(1, 12), n_facts=st.integers(0, 40))
def test_attention_equals_the_loops_over_pairs(seed: int, n_items: int, n_facts: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit_vectors(rng.standard_normal((n_items, 3)).astype(np.float32))
    vectors[rng.random(n_items) < 0.2] = 0
    nodes = n_items + 4
    triples = {
        (head, relation, tail)
        for head, relation, tail in rng.integers(0, [nodes, 3, nodes], (n_facts, 3)).tolist()
        if head < tail
    }
    columns = np.array(sorted(triples), np.int64).reshape(-1, 3).T
    facts = Facts(columns[0], columns[2], columns[1], np.ones(columns.shape[1]), n_items, nodes)
    np.testing.assert_allclose(edge_attention(facts, vectors), plain_attention(facts, vectors), atol=1e-6)


def test_facts_are_features_and_relations() -> None:
    features = np.zeros((40, 3), np.float32)
    features[1] = [1, 0, 3]
    data = replace(
        small_world(),
        item_features=sparse.csr_array(features),
        feature_names=("genre:Drama", "tag:a", "tag:b"),
        relations=Relations(
            np.array([[1, 0, 40], [2, 0, 1], [40, 1, 41]], np.int32), 40, ("r", "s"), ("x", "y")
        ),
    )
    facts = facts_of(data)
    found = set(zip(facts.heads, facts.relations, facts.tails, facts.weights, strict=True))
    assert found == {(1, 0, 40, 1), (1, 1, 42, 2), (1, 2, 43, 1), (2, 2, 1, 1), (43, 3, 44, 1)}
    assert facts.n_nodes == 45


def test_data_without_facts_have_none() -> None:
    facts = facts_of(small_world())
    assert (len(facts.heads), facts.n_nodes) == (0, 40)


def test_a_fact_of_an_item_and_itself_is_left_out() -> None:
    data = replace(small_world(), relations=Relations(np.array([[3, 0, 3]], np.int32), 40, ("r",), ()))
    assert len(facts_of(data).heads) == 0


def test_edges_go_both_ways_and_repeated_ones_add_up() -> None:
    facts = Facts(np.array([0, 0, 1]), np.array([2, 2, 0]), np.array([0, 1, 0]), np.ones(3), 2, 3)
    assert facts.symmetric(np.array([1.0, 2.0, 0.0])).toarray().tolist() == [[0, 0, 3], [0, 0, 0], [3, 0, 0]]


def planted(rng: np.random.Generator, shuffled: bool) -> Interactions:
    """Return likes of two tastes, and who directed each item: directors work for one taste, unless shuffled."""
    taste = np.arange(80) % 2
    likes = rng.random((120, 80)) < np.where(np.arange(120)[:, None] % 2 == taste, 0.3, 0.05)
    director = 80 + taste + 2 * rng.integers(0, 5, 80)
    place = 90 + rng.integers(0, 5, 80)
    if shuffled:
        director = rng.permutation(director)
    items = np.arange(80)
    triples = np.concatenate(
        [np.stack([items, np.full(80, r), t], axis=1) for r, t in ((0, director), (1, place))]
    )
    entities = tuple(map(str, range(15)))
    relations = Relations(triples.astype(np.int32), 80, ("directed_by", "filmed_in"), entities)
    return replace(
        Interactions.from_positive(sparse.csr_array(likes.astype(np.float32))), relations=relations
    )


@pytest.mark.parametrize("shuffled", [False, True])
def test_attention_finds_directors_of_a_taste_and_no_shuffled_ones(shuffled: bool) -> None:
    from models.graph.kgcn import likeness_vectors  # noqa: PLC0415

    data = planted(np.random.default_rng(0), shuffled)
    facts = facts_of(data)
    attention = edge_attention(facts, likeness_vectors(data.positive))
    directed, filmed = (attention[facts.relations == r].mean() for r in (0, 1))
    assert filmed < 0.04
    assert directed < 0.04 if shuffled else directed > 0.1
