"""The models of RecBole (run by its environment), trained for as many epochs as fit into the seconds of LIMIT_S."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from contract import serve
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset import Dataset
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed
from scipy import sparse

SETTINGS = {
    "BPR": {"embedding_size": 64, "learning_rate": 0.001, "train_batch_size": 2048},
    "LightGCN": {
        "embedding_size": 64, "n_layers": 3, "reg_weight": 1e-4, "learning_rate": 0.001, "train_batch_size": 2048,
    },
}  # fmt: skip
LIMIT_S = float(os.environ.get("LIMIT_S", "600"))
MOST_EPOCHS = 300
USERS_AT_A_TIME = 256


class Lists:
    """Makes lists of a trained model; `note` says how long it was trained.

    RecBole numbers users and items anew, in the order of its file and from 1 on.
    """

    def __init__(self, model: torch.nn.Module, train: sparse.csr_matrix, data: Dataset, note: str) -> None:
        self._model, self._train, self._data, self.note = model, train, data, note
        self._items = np.full(data.item_num, -1, np.int32)
        self._items[1:] = data.id2token(data.iid_field, np.arange(1, data.item_num)).astype(np.int32)
        self._place = np.zeros(train.shape[1], np.int64)
        self._place[self._items[1:]] = np.arange(1, data.item_num)

    def __call__(self, users: np.ndarray, n: int) -> np.ndarray:
        """Return the n best items of each user."""
        made = np.empty((len(users), n), np.int32)
        self._model.eval()
        with torch.no_grad():
            for start in range(0, len(users), USERS_AT_A_TIME):
                few = users[start : start + USERS_AT_A_TIME]
                given = torch.from_numpy(self._data.token2id(self._data.uid_field, few.astype(str)))
                scores = self._model.full_sort_predict({"user_id": given}).view(len(few), -1)
                scores[:, 0] = -np.inf  # padding
                row, item = self._train[few].nonzero()
                scores[row, self._place[item]] = -np.inf
                made[start : start + len(few)] = self._items[scores.topk(n, dim=1).indices.numpy()]
        return made


def fit(train: sparse.csr_matrix, model: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Fit a model; see `contract.Fit`."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(model=model, dataset="peer", config_dict=_settings(Path(folder), train, model, seed))
        init_seed(seed, reproducibility=True)
        training, _, _ = data_preparation(config, create_dataset(config))
        network = get_model(model)(config, training.dataset).to(config["device"])
        trainer = Trainer(config, network)
        started, epochs, longest = time.perf_counter(), 0, 0.0
        while epochs < MOST_EPOCHS and time.perf_counter() - started + longest < LIMIT_S:
            began = time.perf_counter()
            trainer._train_epoch(training, epochs, show_progress=False)  # its `fit` has no limit of time
            epochs, longest = epochs + 1, max(longest, time.perf_counter() - began)
    return Lists(network, train, training.dataset, f"{epochs} epochs")


def _settings(folder: Path, train: sparse.csr_matrix, model: str, seed: int) -> dict:
    """Write the pairs as RecBole's file and return its settings: everything is for training."""
    pairs = train.tocoo()
    path = folder / "peer" / "peer.inter"
    path.parent.mkdir()
    with path.open("w") as file:
        file.write("user_id:token\titem_id:token\n")
        np.savetxt(file, np.column_stack([pairs.row, pairs.col]), "%d", "\t")
    return {
        **SETTINGS[model], "data_path": str(folder), "seed": seed, "use_gpu": False, "show_progress": False,
        "load_col": {"inter": ["user_id", "item_id"]}, "checkpoint_dir": str(folder / "saved"),
        "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "mode": "full", "group_by": None},
    }  # fmt: skip


if __name__ == "__main__":
    serve("recbole", fit)
