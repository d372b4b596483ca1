"""The softmax loss in one pass is that of plain torch operations, whose denominator is corrected for the sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.retrieval.sampled_cross_entropy import corrected_softmax, plain_softmax
from models.retrieval.two_tower_training import equal_pairs

Softmax = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

OWN_PLACE = torch.tensor([[0], [0]])  # the only hit: the target at its own place in the sample
both_ways = pytest.mark.parametrize("softmax", [corrected_softmax, plain_softmax])


@st.composite
def samples(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw users, items, logarithms of counts, and hits; the greatest logit is small, usual or enormous."""
    b, drawn, f = draw(st.integers(1, 9)), draw(st.sampled_from([0, 1, 5, 40])), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    users, items = rng.normal(size=(b, f)), rng.normal(size=(b + drawn, f))
    users *= draw(st.sampled_from([0.01, 3.0, 80.0])) / np.abs(users @ items.T).max()
    log_counts = rng.normal(size=b + drawn) * draw(st.sampled_from([0.0, 3.0]))
    hits = np.argwhere(rng.random((b, b + drawn)) < draw(st.sampled_from([0.0, 0.2, 1.0]))).T
    parts = (torch.from_numpy(part.astype(np.float32)) for part in (users, items, log_counts))
    return *parts, torch.from_numpy(hits.astype(np.int64))


def loss_and_gradients(softmax: Softmax, sample: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    """Return three times the loss, and the gradients with respect to users and items."""
    users, items = (part.clone().requires_grad_() for part in sample[:2])
    loss = 3 * softmax(users, items, *sample[2:])
    return [part.detach().numpy() for part in (loss, *torch.autograd.grad(loss, [users, items]))]


@given(samples())
def test_one_pass_gives_the_plain_loss_and_gradients(sample: tuple[torch.Tensor, ...]) -> None:
    """Rounding moves a share by the size of the logits, and a gradient by that times the size of the vectors."""
    users, items, log_counts, hits = sample
    found = loss_and_gradients(corrected_softmax, sample)
    exact = loss_and_gradients(plain_softmax, (users.double(), items.double(), log_counts.double(), hits))
    rounding = 1e-6 * max(1.0, (users @ items.T - log_counts).abs().max().item())
    for ours, theirs, size in zip(found, exact, (1.0, items.abs().max(), users.abs().max()), strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=rounding * max(1.0, float(size)))


@both_ways
@pytest.mark.parametrize("own", [80.0, -80.0])
def test_extreme_logits_have_finite_losses(softmax: Softmax, own: float) -> None:
    """By hand: the target's logit is 160 above or below the only other one, so the loss is 0 or 160."""
    users, items = torch.tensor([[1.0]]), torch.tensor([[own], [-own]])
    loss, of_users, of_items = loss_and_gradients(softmax, (users, items, torch.zeros(2), OWN_PLACE))
    assert loss == pytest.approx(3 * max(-2 * own, 0), rel=1e-6, abs=1e-6)
    off = 1.0 if own < 0 else 0.0  # what is missing to the target's share
    assert of_users.ravel() == pytest.approx([-3 * off * 2 * own], abs=1e-6)
    assert of_items.ravel() == pytest.approx([-3 * off, 3 * off], abs=1e-6)


@pytest.mark.parametrize("where", ["user", "target", "drawn", "last drawn", "log count"])
def test_nan_makes_the_loss_nan(where: str) -> None:
    """The training loop finds by the loss that a network diverged, and the kernel's fast math could hide NaN."""
    rng = np.random.default_rng(0)
    for n_drawn in (1, 3, 30):
        users, items = (
            torch.from_numpy(rng.normal(size=(n, 5)).astype(np.float32)) for n in (4, 4 + n_drawn)
        )
        log_counts = torch.zeros(4 + n_drawn)
        part, row = {
            "user": (users, 2), "target": (items, 2), "drawn": (items, 4), "last drawn": (items, -1),
            "log count": (log_counts[:, None], 4),
        }[where]  # fmt: skip
        part[row, 0] = torch.nan
        hits = torch.arange(4).expand(2, 4)
        assert not corrected_softmax(users, items, log_counts, hits).isfinite()


def mean_denominator(softmax: Softmax, sign: float) -> tuple[float, float]:
    """Return the mean of e^loss over random samples of unequal items, and what it is for a softmax over all items."""
    rng = np.random.default_rng(0)
    user, items = (torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in ((1, 4), (12, 4)))
    shares = np.arange(1, 13) / np.arange(1, 13).sum()
    drawn, target, found = 6, 4, []
    for _ in range(4000):
        sample = np.append(target, rng.choice(12, drawn, p=shares))
        log_counts = torch.from_numpy((sign * np.log(drawn * shares[sample])).astype(np.float32))
        hits = torch.from_numpy(equal_pairs(np.array([target]), sample))
        found.append(softmax(user, items[sample], log_counts, hits).exp().item())
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
def test_the_target_is_not_corrected_and_hits_do_not_count(softmax: Softmax) -> None:
    """By hand: logits 2 (the target, at two places of the sample) and 1, expected twice."""
    users, items = torch.tensor([[1.0]]), torch.tensor([[2.0], [1.0], [2.0]])
    log_counts = torch.log(torch.tensor([5.0, 2.0, 5.0]))
    loss = softmax(users, items, log_counts, torch.tensor([[0, 0], [0, 2]]))
    assert loss.item() == pytest.approx(np.log(np.exp(2) + np.exp(1) / 2) - 2, rel=1e-6)


@both_ways
def test_a_sample_of_hits_alone_has_no_loss(softmax: Softmax) -> None:
    users, items = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    loss = softmax(users, items, torch.zeros(1), OWN_PLACE)
    assert loss.item() == pytest.approx(0, abs=1e-6)


@both_ways
def test_the_given_tensors_are_not_changed(softmax: Softmax) -> None:
    users, items, log_counts = torch.ones(3, 2), torch.arange(14.0).view(7, 2), torch.arange(7.0)
    hits = torch.tensor([[0, 1], [0, 1]])
    before = [part.clone() for part in (users, items, log_counts, hits)]
    softmax(users, items, log_counts, hits)
    assert all(torch.equal(a, b) for a, b in zip((users, items, log_counts, hits), before, strict=True))
