"""Fitted exponents of growth."""

import pytest

from benchmarks.exponents import fit_exponent, growth_of


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5, 2.0])
def test_the_exponent_of_a_power_is_found(exponent):
    sizes = [1e6, 5e6, 25e6, 100e6]
    found = fit_exponent(sizes, [3e-6 * size**exponent for size in sizes], least=0)
    assert found == (pytest.approx(exponent), 4)


def test_small_and_missing_values_do_not_count():
    assert fit_exponent([1, 2, 4, 8], [0.2, 2, 4, None], least=0.3) == (pytest.approx(1), 2)
    assert fit_exponent([1, 2, 4], [None, 0.1, 4], least=0.3) == (None, 1)
    assert fit_exponent([2, 2], [1, 3], least=0.3) == (None, 1)


def test_stages_above_linear_are_found_and_explained():
    points = [
        {
            "ratings": n * 1_000_000,
            "stages": {"land": {"s": n, "mb": 300}, "night: evaluate als": {"s": n**1.5, "mb": n}},
        }
        for n in (1, 5, 25)
    ]
    land, evaluate = growth_of(points, "s")
    assert (land.stage, land.exponent, land.is_above_linear) == ("land", pytest.approx(1), False)
    assert (evaluate.is_above_linear, evaluate.expected, land.expected) == (True, 1.5, 1)
    assert evaluate.why
    assert growth_of(points, "mb")[0].exponent == pytest.approx(0)
    assert not growth_of(points[:2], "s")[1].is_above_linear, "two sizes are too few to tell"


def test_a_stage_that_only_some_sizes_have_keeps_its_place():
    points = [{"ratings": 1e6, "stages": {"fit": {"s": 1.0, "mb": 1.0}}}, {"ratings": 2e6, "stages": {}}]
    [line] = growth_of(points, "s")
    assert (line.values, line.exponent) == ((1.0, None), None)
