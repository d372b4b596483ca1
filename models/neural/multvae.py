"""Mult-VAE: a variational autoencoder of users' rows with multinomial likelihood (Liang et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from models.base import Config
from models.interactions import Interactions
from models.neural.early_stopping import CarveOut
from models.neural.row_autoencoder import RowAutoencoder
from models.neural.row_config import MultVAEConfig

if TYPE_CHECKING:
    from models.neural.row_training import RowLikelihood, RowNetwork


class MultVAE(RowAutoencoder):
    """Encodes a user's row into a distribution of latent vectors, and decodes a sample into a softmax over all items.

    The loss is −log-likelihood + beta · KL(q(z | row) ‖ N(0, I)), equation 7 of the paper. Lists are of the mean of the
    distribution.
    """

    name: ClassVar[str] = "multvae"
    in_words: ClassVar[str] = "your likes squeezed into a few numbers and unfolded again to all items"
    config_class: ClassVar[type[Config]] = MultVAEConfig
    config: MultVAEConfig

    def _network(self, n_items: int) -> RowNetwork:
        from models.neural.multvae_network import MultVAENetwork  # noqa: PLC0415  (imports torch)

        return MultVAENetwork(n_items, self.config)

    def _objective(
        self,
        network: RowNetwork,
        carved: CarveOut,
        data: Interactions,  # noqa: ARG002
    ) -> RowLikelihood:
        from models.neural.multvae_network import MultVAELikelihood  # noqa: PLC0415  (as above)

        return MultVAELikelihood(self.name, network, self.config, carved)
