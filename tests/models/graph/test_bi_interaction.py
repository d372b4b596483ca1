import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.device import torch_device
from models.graph.bi_interaction import final_embeddings, graph_product
from models.graph.propagation import adjacency_tensor, normalized_adjacency
from tests.examples import examples
from tests.models.graph import ngcf_oracle
from tests.models.graph.ngcf_oracle import Parameters

CPU = torch.device("cpu")


def likes(rng: np.random.Generator, n_users: int, n_items: int) -> np.ndarray:
    return (rng.random((n_users, n_items)) < 0.3).astype(np.float32)


def parameters(rng: np.random.Generator, nodes: int, factors: int, layers: int) -> Parameters:
    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(shape)).requires_grad_()

    return Parameters(
        draw(nodes, factors),
        [draw(factors, factors) for _ in range(layers)],
        [draw(factors, factors) for _ in range(layers)],
    )


def ours(plain: Parameters) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the same parameters as leaf tensors, in the shapes and precision of our implementation."""
    pairs = zip(plain.own, plain.mixed, strict=True)
    weights = [torch.cat(pair).detach().float().requires_grad_() for pair in pairs]
    return plain.base.detach().float().requires_grad_(), weights


@settings(max_examples=examples(12))
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8), st.integers(1, 5), st.integers(0, 3))
def test_embeddings_and_gradients_equal_the_plain_formulas(seed, n_users, n_items, factors, layers):
    rng = np.random.default_rng(seed)
    liked = likes(rng, n_users, n_items)
    plain = parameters(rng, n_users + n_items, factors, layers)
    expected = ngcf_oracle.final_embeddings(ngcf_oracle.laplacian(liked), plain)
    base, weights = ours(plain)
    product = graph_product(normalized_adjacency(sparse.csr_array(liked)), CPU)
    found = final_embeddings(base, weights, product)
    largest = max(1.0, expected.abs().max().item())  # values grow from layer to layer
    torch.testing.assert_close(found.double() / largest, expected / largest, rtol=1e-4, atol=1e-6)

    upstream = torch.from_numpy(rng.standard_normal(expected.shape))
    expected.backward(upstream)
    found.backward(upstream.float())
    for mine, theirs in [
        (base, plain.base.grad),
        *((w, torch.cat([a.grad, b.grad])) for w, a, b in zip(weights, plain.own, plain.mixed, strict=True)),
    ]:
        scale = max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(mine.grad.double() / scale, theirs / scale, rtol=1e-4, atol=1e-5)


def test_gradients_with_dropout_equal_the_plain_formulas():
    rng = np.random.default_rng(4)
    liked = likes(rng, 9, 7)
    plain = parameters(rng, 16, 6, 2)
    base, weights = ours(plain)
    product = graph_product(normalized_adjacency(sparse.csr_array(liked)), CPU)
    found = final_embeddings(base, weights, product, 0.3, np.random.default_rng(5))
    silenced = [layer == 0 for layer in found.detach().split(6, dim=1)[1:]]
    assert 0.15 < torch.cat(silenced).float().mean() < 0.45
    masks = [(~zero).double() / 0.7 for zero in silenced]
    expected = ngcf_oracle.final_embeddings(ngcf_oracle.laplacian(liked), plain, masks)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    upstream = torch.from_numpy(rng.standard_normal(expected.shape))
    expected.backward(upstream)
    found.backward(upstream.float())
    torch.testing.assert_close(base.grad.double(), plain.base.grad, rtol=1e-4, atol=1e-4)


def test_dropout_keeps_the_mean_and_is_drawn_from_the_seed():
    base = torch.ones(4000, 8)
    weights = [torch.cat([torch.eye(8), torch.zeros(8, 8)])]
    no_edges = graph_product(normalized_adjacency(sparse.csr_array((2000, 2000), dtype=np.float32)), CPU)
    first, again, other = (
        final_embeddings(base, weights, no_edges, 0.25, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[:, 8:] == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(
        final_embeddings(base, weights, no_edges, 0.25), final_embeddings(base, weights, no_edges)
    )


def test_the_product_by_torch_equals_our_own():
    rng = np.random.default_rng(6)
    adjacency = normalized_adjacency(sparse.csr_array(likes(rng, 30, 20)))
    x = torch.from_numpy(rng.standard_normal((50, 8)).astype(np.float32))
    device = torch_device("auto")
    by_torch = adjacency_tensor(adjacency, device) @ x.to(device)
    torch.testing.assert_close(graph_product(adjacency, CPU)(x), by_torch.cpu(), rtol=1e-5, atol=1e-5)
