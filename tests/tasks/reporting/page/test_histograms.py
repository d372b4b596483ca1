"""Histograms count every value once; curves of attention add up shares from the most popular item on."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tasks.reporting.page import histograms
from tasks.reporting.page.histograms import attention, value_histogram


def save(folder: Path, values: list[float]) -> None:
    matrix = sparse.csr_array(
        (np.array(values, np.float32), np.arange(len(values)), [0, len(values)]), shape=(1, 3000)
    )
    sparse.save_npz(folder / "rating.npz", matrix)


def test_few_distinct_values_have_a_bar_each(tmp_path: Path) -> None:
    save(tmp_path, [3.5, 4, 4, 5])
    found = value_histogram(tmp_path, "rating")
    assert found is not None
    assert [(bar.label, bar.n) for bar in found.bars] == [("3.5", 1), ("4", 2), ("5", 1)]
    assert (found.n, found.rest, found.median) == (4, 0, 4)


def test_many_values_share_bars_and_all_are_counted(tmp_path: Path) -> None:
    values = np.random.default_rng(0).lognormal(size=2000)
    save(tmp_path, values.tolist())
    found = value_histogram(tmp_path, "rating")
    assert found is not None
    assert found.n == 2000
    assert 0 < found.rest <= 10


@given(
    values=st.lists(st.sampled_from([*np.arange(0.5, 13, 0.5)]), min_size=1, max_size=60),
    at_once=st.integers(1, 70),
)
def test_parts_are_counted_as_the_whole(values: list[float], at_once: int) -> None:
    """25 values are one too many for a bar each."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(histograms, "_AT_ONCE", at_once)
        save(Path(folder), values)
        found = value_histogram(Path(folder), "rating")
    distinct, counts = np.unique(np.array(values, np.float32), return_counts=True)
    assert found is not None
    assert found.median == np.median(np.array(values, np.float32))
    if len(distinct) <= 24:
        bars = [(f"{value:g}", n) for value, n in zip(distinct, counts, strict=True)]
        assert [(bar.label, bar.n) for bar in found.bars] == bars
    assert found.n == len(values)


def test_no_histogram_without_values(tmp_path: Path) -> None:
    save(tmp_path, [])
    assert value_histogram(tmp_path, "rating") is None


def test_attention_curves_start_at_the_most_popular_item() -> None:
    met = np.array([1, 60, 9, 30])
    places = np.array([0, 50, 0, 50])
    found = attention(met, places)
    at = dict(zip(found.share_of_items, zip(found.interactions, found.places, strict=True), strict=True))
    assert at == {0.0: (0, 0), 0.25: (0.6, 0.5), 0.5: (0.9, 1.0), 0.75: (0.99, 1.0), 1.0: (1.0, 1.0)}
    assert (found.head_interactions, found.head, found.listed) == (0.6, 0.5, 0.5)
