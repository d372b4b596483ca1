"""The softmax loss in one pass is that of plain torch operations, whose denominator is corrected for the sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.neural.sampled_cross_entropy import corrected_softmax, equal_pairs, plain_softmax

Softmax = Callable[..., torch.Tensor]

NO_HITS = torch.empty((2, 0), dtype=torch.int64)
both_ways = pytest.mark.parametrize("softmax", [corrected_softmax, plain_softmax])


@st.composite
def samples(draw: st.DrawFn) -> tuple[torch.Tensor, ...]:
    """Draw users, targets, items, logarithms of counts, and hits; the greatest logit is small, usual or enormous."""
    b, n, f = draw(st.integers(1, 9)), draw(st.sampled_from([1, 5, 40])), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    users, targets, items = (rng.normal(size=(rows, f)) for rows in (b, b, n))
    users *= draw(st.sampled_from([0.01, 3.0, 80.0])) / np.abs(users @ np.vstack([targets, items]).T).max()
    log_counts = rng.normal(size=n) * draw(st.sampled_from([0.0, 3.0]))
    hits = np.argwhere(rng.random((b, n)) < draw(st.sampled_from([0.0, 0.2, 1.0]))).T
    parts = (torch.from_numpy(part.astype(np.float32)) for part in (users, targets, items, log_counts))
    return *parts, torch.from_numpy(hits.astype(np.int64))


def loss_and_gradients(softmax: Softmax, sample: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    """Return three times the loss, and the gradients with respect to users, targets and items."""
    vectors = [part.clone().requires_grad_() for part in sample[:3]]
    loss = 3 * softmax(*vectors, *sample[3:])
    return [part.detach().numpy() for part in (loss, *torch.autograd.grad(loss, vectors))]


@given(samples())
def test_one_pass_gives_the_plain_loss_and_gradients(sample: tuple[torch.Tensor, ...]) -> None:
    """Rounding moves a share by the size of the logits, and a gradient by that times the size of the vectors."""
    users, targets, items, log_counts, hits = sample
    found = loss_and_gradients(corrected_softmax, sample)
    exact = loss_and_gradients(plain_softmax, (*(part.double() for part in sample[:4]), hits))
    both = torch.cat([targets, items])
    rounding = 1e-6 * max(1.0, (users @ both.T).abs().max().item() + log_counts.abs().max().item())
    sizes = (1.0, both.abs().max(), users.abs().max(), users.abs().max())
    for ours, theirs, size in zip(found, exact, sizes, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=rounding * max(1.0, float(size)))


@both_ways
@pytest.mark.parametrize("own", [80.0, -80.0])
def test_extreme_logits_have_finite_losses(softmax: Softmax, own: float) -> None:
    """By hand: the target's logit is 160 above or below the only other one, so the loss is 0 or 160."""
    users, targets, items = (torch.tensor([[value]]) for value in (1.0, own, -own))
    loss, *gradients = loss_and_gradients(softmax, (users, targets, items, torch.zeros(1), NO_HITS))
    assert loss == pytest.approx(3 * max(-2 * own, 0), rel=1e-6, abs=1e-6)
    off = 3.0 if own < 0 else 0.0  # what is missing to the target's share, times 3
    expected = [-off * 2 * own, -off, off]
    assert [part.item() for part in gradients] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("where", ["user", "target", "item", "last item", "log count"])
def test_nan_makes_the_loss_nan(where: str) -> None:
    """The training loop finds by the loss that a network diverged, and the kernel's fast math could hide NaN."""
    rng = np.random.default_rng(0)
    for n in (1, 3, 30):
        users, targets, items = (
            torch.from_numpy(rng.normal(size=(rows, 5)).astype(np.float32)) for rows in (4, 4, n)
        )
        log_counts = torch.zeros(n)
        part, row = {
            "user": (users, 2), "target": (targets, 2), "item": (items, 0), "last item": (items, -1),
            "log count": (log_counts[:, None], 0),
        }[where]  # fmt: skip
        part[row, 0] = torch.nan
        assert not corrected_softmax(users, targets, items, log_counts, NO_HITS).isfinite()


def mean_denominator(softmax: Softmax, sign: float) -> tuple[float, float]:
    """Return the mean of e^loss over random samples of unequal items, and what it is for a softmax over all items."""
    rng = np.random.default_rng(0)
    user, items = (torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in ((1, 4), (12, 4)))
    shares = np.arange(1, 13) / np.arange(1, 13).sum()
    drawn, target, found = 6, 4, []
    for _ in range(4000):
        sample = rng.choice(12, drawn, p=shares)
        log_counts = torch.from_numpy((sign * np.log(drawn * shares[sample])).astype(np.float32))
        hits = torch.from_numpy(equal_pairs(np.array([target]), sample))
        found.append(softmax(user, items[[target]], items[sample], log_counts, hits).exp().item())
    full = -(user @ items.T).log_softmax(dim=1)[0, target]
    return float(np.mean(found)), float(full.exp())


@both_ways
def test_the_corrected_denominator_is_that_of_all_items(softmax: Softmax) -> None:
    found, expected = mean_denominator(softmax, sign=1)
    assert found == pytest.approx(expected, rel=0.05)


def test_the_other_sign_would_be_far_off() -> None:
    found, expected = mean_denominator(corrected_softmax, sign=-1)
    assert abs(found / expected - 1) > 0.3


@both_ways
def test_a_softmax_over_all_items_is_exact(softmax: Softmax) -> None:
    rng = np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.normal(0, 2, (n, 4)).astype(np.float32)) for n in (5, 9))
    targets = rng.integers(9, size=5)
    hits = torch.from_numpy(equal_pairs(targets, np.arange(9)))
    found = softmax(users, items[targets], items, torch.zeros(9), hits)
    exact = torch.nn.functional.cross_entropy(users @ items.T, torch.from_numpy(targets))
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


@both_ways
def test_the_target_is_not_corrected_and_hits_do_not_count(softmax: Softmax) -> None:
    """By hand: logits 2 (the target, at one place of the sample, too) and 1, expected twice."""
    users, targets, items = torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[1.0], [2.0]])
    log_counts = torch.log(torch.tensor([2.0, 5.0]))
    loss = softmax(users, targets, items, log_counts, torch.tensor([[0], [1]]))
    assert loss.item() == pytest.approx(np.log(np.exp(2) + np.exp(1) / 2) - 2, rel=1e-6)


@both_ways
def test_a_sample_of_hits_alone_has_no_loss(softmax: Softmax) -> None:
    users, items = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    loss = softmax(users, items, items, torch.zeros(1), torch.tensor([[0], [0]]))
    assert loss.item() == pytest.approx(0, abs=1e-6)


@both_ways
def test_the_given_tensors_are_not_changed(softmax: Softmax) -> None:
    users, targets, items, log_counts = torch.ones(3, 2), torch.ones(3, 2), torch.eye(7, 2), torch.arange(7.0)
    given_ones = (users, targets, items, log_counts, torch.tensor([[0, 1], [0, 1]]))
    before = [part.clone() for part in given_ones]
    softmax(*given_ones)
    assert all(torch.equal(a, b) for a, b in zip(given_ones, before, strict=True))


@given(*2 * [st.lists(st.integers(0, 6), max_size=12)])
def test_equal_pairs_are_those_of_a_loop(left: list[int], right: list[int]) -> None:
    found = equal_pairs(np.array(left, np.int64), np.array(right, np.int64))
    expected = [[i, j] for i, a in enumerate(left) for j, b in enumerate(right) if a == b]
    assert found.T.tolist() == expected
