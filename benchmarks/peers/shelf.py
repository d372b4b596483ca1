"""The libraries and models that are compared, each with the settings that its own documentation recommends."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """One model of one library.

    Attributes:
        library: the name of its environment and of its worker; `ours` for this project.
        model: as its worker calls it.
        kind: of model, by which rows of the table are put together.
        settings: in words.
    """

    library: str
    model: str
    kind: str
    settings: str


PEERS = (
    Peer("ours", "item_knn", "item-item", "defaults"),
    Peer("implicit", "item-item cosine", "item-item", "K 200"),
    Peer("implicit", "item-item BM25", "item-item", "K 200, K1 1.2, B .75"),
    Peer("lenskit", "item_knn", "item-item", "20 neighbours of at most 5,000, implicit feedback"),
    Peer("ours", "user_knn", "user-user", "defaults"),
    Peer("lenskit", "user_knn", "user-user", "60 neighbours, implicit feedback"),
    Peer("ours", "als", "ALS", "defaults"),
    Peer("implicit", "als", "ALS", "128 factors, regularisation .05, alpha 2, 15 passes"),
    Peer("lenskit", "als", "ALS", "128 factors, 15 passes, weight 40"),
    Peer("rectools", "als", "ALS", "implicit's, 128 factors, regularisation .05, alpha 2"),
    Peer("rectools", "pure_svd", "SVD", "128 factors"),
    Peer("ours", "ease", "EASE", "defaults"),
    Peer("rectools", "ease", "EASE", "regularisation 300"),
    Peer("ours", "bpr", "BPR", "defaults"),
    Peer("implicit", "bpr", "BPR", "128 factors, 200 passes"),
    Peer("recbole", "BPR", "BPR", "64 factors, batch 2048, step .001"),
    Peer("ours", "lightgcn", "LightGCN", "defaults"),
    Peer("recbole", "LightGCN", "LightGCN", "64 factors, 3 layers, batch 2048, step .001"),
)

VARIABLES = {"implicit": {"OPENBLAS_NUM_THREADS": "1"}, "rectools": {"OPENBLAS_NUM_THREADS": "1"}}
"""Library → environment variables that it asks for."""


def chosen(names: str | None) -> tuple[Peer, ...]:
    """Return the peers of libraries in `names`, separated by commas; all without names.

    Raises:
        ValueError: one of the libraries is not compared.
    """
    known = list(dict.fromkeys(peer.library for peer in PEERS))
    wanted = known if names is None else names.replace(",", " ").split()
    for name in wanted:
        if name not in known:
            raise ValueError(f"{name!r} is not compared: {', '.join(known)}")
    return tuple(peer for peer in PEERS if peer.library in wanted)
