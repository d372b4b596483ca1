"""RecVAE: a variational autoencoder of users' rows with a prior that learns (Shenbin et al. 2020)."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from models.base import Config
from models.interactions import Interactions
from models.neural.early_stopping import CarveOut
from models.neural.row_autoencoder import RowAutoencoder
from models.neural.row_config import RecVAEConfig

if TYPE_CHECKING:
    from models.neural.recvae_network import RecVAENetwork
    from models.neural.row_training import RowLikelihood


class RecVAE(RowAutoencoder):
    """Mult-VAE with four changes: a deep, densely connected encoder; a prior made of the standard normal and of the
    last epoch's posterior; a weight of the divergence that grows with the user's items; encoder and decoder trained in
    turns, the decoder without noise in its input.
    """

    name: ClassVar[str] = "recvae"
    in_words: ClassVar[str] = (
        "your likes squeezed into a few numbers, by steps that remember the last, and unfolded again"
    )
    config_class: ClassVar[type[Config]] = RecVAEConfig
    config: RecVAEConfig

    def _network(self, n_items: int) -> RecVAENetwork:
        from models.neural.recvae_network import RecVAENetwork  # noqa: PLC0415  (imports torch)

        return RecVAENetwork(n_items, self.config)

    def _objective(
        self,
        network: Any,
        carved: CarveOut,
        data: Interactions,  # noqa: ARG002
    ) -> RowLikelihood:
        from models.neural.recvae_network import RecVAELikelihood  # noqa: PLC0415  (as above)

        return RecVAELikelihood(self.name, network, self.config, carved, previous=deepcopy(network))
