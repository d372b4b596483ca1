"""Base class of neural models: trains the network and keeps its parameters."""

from __future__ import annotations

import hashlib
import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from models.base import FloatArray, Progress, Recommender
from models.device import torch_device
from models.interactions import Interactions
from models.neural.config import NeuralConfig, SvdStartConfig
from models.neural.early_stopping import CarveOut, carve_out
from models.neural.initial_vectors import Directions, Shape

if TYPE_CHECKING:
    from torch import nn

    from models.neural.checkpoint import Checkpoints
    from models.neural.training import Objective

logger = logging.getLogger(__name__)

_REFITTED = 0.05  # if more than this share of the data was taken out, the network is trained anew on all


class NeuralRecommender(Recommender):
    """A recommender with a network. A subclass says what it is and what is trained.

    A part of the training data decides how many epochs to train. If it is a larger part, as in small data, the network
    is trained anew on all of it for as many epochs, at the same learning rates.

    Attributes:
        weights_: (n_parameters,) float32, the network's parameters one after the other.
    """

    remedy: ClassVar[str] = "a lower `learning_rate` is safer"
    config: NeuralConfig

    weights_: FloatArray
    _shape: Shape | None = None

    @abstractmethod
    def _network(self, n_columns: int) -> nn.Module:
        """Return the network for a matrix of so many columns; the values of its parameters do not matter."""

    @abstractmethod
    def _objective(self, network: Any, carved: CarveOut, data: Interactions) -> Objective[Any]:
        """Return what is trained."""

    def _start(self, network: Any, carved: CarveOut, rng: np.random.Generator) -> None:
        """Give an untrained network better parameters than random ones: singular vectors, if the config says so.

        Their shape is chosen in the search for the number of epochs, and kept when the network is trained anew.
        """
        if not isinstance(self.config, SvdStartConfig) or self.config.start != "svd":
            return
        directions = Directions(carved.train, self.config.factors, rng)
        if self._shape is None:
            self._shape = directions.best_shape(carved)
            logger.debug("%s starts from %s", self.name, self._shape)
        network.start_from(directions.vectors(self._shape))

    def _carve(self, matrix: sparse.csr_array, data: Interactions, rng: np.random.Generator) -> CarveOut:
        """Take out of the training data what decides how many epochs to train."""
        return carve_out(matrix, data.timestamp, rng)

    def _train(self, matrix: sparse.csr_array, data: Interactions, seed: int, progress: Progress) -> Any:
        """Return the network, trained on `matrix`, and keep its parameters.

        Args:
            matrix: (n, n_columns), what `_network` reads.
            data: the snapshot.
            seed: of `fit`.
            progress: of `fit`.
        """
        self._shape = None
        rng = np.random.default_rng(seed)
        carved = self._carve(matrix, data, rng)
        network, epochs = self._run("search", carved, data, rng, seed, progress)
        if carved.train.nnz < (1 - _REFITTED) * matrix.nnz:
            logger.info("%s trains anew for %d epochs, on all interactions.", self.name, epochs)
            whole = CarveOut.nothing(matrix)
            # Not with fewer `epochs`: the learning rates must be those of the search
            network, _ = self._run("refit", whole, data, rng, seed, progress, max(epochs, 1))
        self._keep_weights(network)
        return network

    def _run(
        self,
        phase: str,
        carved: CarveOut,
        data: Interactions,
        rng: np.random.Generator,
        seed: int,
        progress: Progress,
        stop_after: int | None = None,
    ) -> tuple[Any, int]:
        """Train a new network on `carved`; return it and its best epoch, 0 if there is nothing to train on."""
        from models.neural.training import train  # noqa: PLC0415  (imports torch, which takes a second)

        network = self._new_network(carved.train.shape[1], rng).to(torch_device(self.config.device))
        if not carved.train.nnz:  # nothing to learn from
            return network.eval(), 0
        self._start(network, carved, rng)
        objective = self._objective(network, carved, data)
        checkpoints = self._checkpoints_of(phase, carved.train, data, seed)
        best = train(
            objective,
            self.config,
            seed=seed,
            progress=progress,
            stop_after=stop_after,
            checkpoints=checkpoints,
        )
        return network, best

    def _new_network(self, n_columns: int, rng: np.random.Generator) -> Any:
        """Return an untrained network whose parameters are drawn from `rng`.

        Torch layers draw their first parameters from one generator of the whole process; it is set aside meanwhile.
        """
        import torch  # noqa: PLC0415  (as above)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            return self._network(n_columns)

    def network(self) -> Any:
        """Return the trained network, on the CPU and ready to encode.

        Raises:
            NotFittedError: the model is not fitted.
        """
        import torch  # noqa: PLC0415  (as above)

        from models.neural.checkpoint import put  # noqa: PLC0415  (as above)

        self._check_fitted()
        with torch.random.fork_rng(devices=[]):
            network = self._network(self._n_columns())
        put(torch.from_numpy(self.weights_), list(network.parameters()))
        return network.eval()

    def _n_columns(self) -> int:
        """Return the number of columns of what the network reads: the items."""
        return len(self.known_items_)

    def _keep_weights(self, network: nn.Module) -> None:
        """Keep the parameters of a trained network."""
        from torch.nn.utils import parameters_to_vector  # noqa: PLC0415  (as above)

        self.weights_ = parameters_to_vector(network.parameters()).detach().cpu().numpy()

    def _checkpoints_of(
        self, phase: str, matrix: sparse.csr_array, data: Interactions, seed: int
    ) -> Checkpoints | None:
        """Return where this phase of the fit keeps its checkpoints; None unless `fit` was given a folder."""
        if self._checkpoint_folder is None:
            return None
        from models.neural.checkpoint import Checkpoints  # noqa: PLC0415  (as above)

        text = f"{self.name} {self.config.model_dump_json()} {seed} {matrix.shape}"
        digest = hashlib.sha256(text.encode())
        reads = [matrix, data.timestamp, data.item_features]  # `timestamp` has the pattern of `seen`
        sides = {"title_words": data.title_words, "user_features": data.user_features, "links": data.links}
        for name, side in sides.items():
            if side is not None:
                digest.update(name.encode())
                reads.append(side)
        if data.relations is not None:
            digest.update(data.relations.triples.tobytes())
        for read in reads:
            for part in (read.indptr, read.indices, read.data):
                digest.update(np.ascontiguousarray(part).tobytes())
        return Checkpoints(self._checkpoint_folder / phase, digest.hexdigest())
