"""The contract of every recommender: fit, score, recommend, fold in new users, find similar items, save, load.

Template methods: the public ones validate and mask, subclasses implement those that begin with an underscore.
Learned state lives in attributes whose names end in `_`; `save` writes exactly those.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import sparse

from models.interactions import Interactions, MatrixName, likes_in
from models.new_users import NewUsers
from models.numerics.outliers import limited_for
from models.search_space import SearchSpace
from models.settings_base import Options
from models.stored_arrays import load_arrays, save_arrays
from models.validation import as_lists, as_mask, as_rows, split_known
from models.warm_start import Rows, WarmStart

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called as progress(done, total) after every epoch or iteration of a long fit."""

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class NotFittedError(RuntimeError):
    """A recommender was asked for scores before `fit`."""


class DivergedError(RuntimeError):
    """Training diverged: the message says which hyperparameters to change."""


class TopN(NamedTuple):
    """Ranked lists, best first. Short lists are padded with item −1 and score NaN.

    Attributes:
        items: (n_rows, n) int32 item indices.
        scores: (n_rows, n) float32, never increasing along a row.
    """

    items: NDArray[np.int32]
    scores: FloatArray

    @classmethod
    def empty(cls, n_rows: int, n: int) -> TopN:
        """Return lists of nothing but padding."""
        return cls(np.full((n_rows, n), -1, np.int32), np.full((n_rows, n), np.nan, np.float32))


class Config(Options):
    """Hyperparameters of one recommender: frozen, unknown names refused, every field with range and description.

    Class attributes of a subclass:
        search_space: the values that `recs tune` tries, by field; empty by default.
    """

    search_space: ClassVar[SearchSpace] = {}

    matrix: MatrixName | None = Field(
        default=None, description="Training matrix to use instead of the model's own."
    )

    def check_machine(self) -> None:
        """Raise a ValueError if this machine lacks what the hyperparameters ask for, such as a GPU."""

    def machine_state(self) -> dict[str, str | int]:
        """Return the properties of this machine that the fitted bits depend on; empty if there are none.

        The cache key of a fit contains them, so a fit from another machine is reused where its bits would be the same
        and only there. Overrides must be cheap, because every night calls this for every model before it looks into
        the cache: no torch import unless there is a GPU.

        Returns:
            Such as `{"device": "cuda:NVIDIA H200"}` for a fit on a GPU, or `{"threads": 8}` where the order of sums
            depends on the number of threads. Keys and values must be the same in every process of one machine.
        """
        return {}


class Recommender(ABC):
    """A model that ranks items for users. The module's docstring says how subclasses plug in.

    Class attributes of a subclass:
        name: its name in settings, tables and lists of models.
        in_words: how it finds its lists, in plain words for the readers of the night's page; lower case, no full stop.
        matrix: the training matrix that it uses unless its config chooses another.
        config_class: its `Config`.
        counterpart: the model that this one is without its side data, to be compared with it; None if it reads none.

    Attributes:
        like_value_: the entry of the training matrix that a like of a new user stands for: the median of those above
            zero, or what `_fit` sets it to.
    """

    name: ClassVar[str]
    in_words: ClassVar[str]
    matrix: ClassVar[MatrixName]
    config_class: ClassVar[type[Config]] = Config
    counterpart: ClassVar[str | None] = None

    known_users_: BoolArray
    known_items_: BoolArray
    tie_order_: NDArray[np.int32]
    like_value_: np.float32

    def __init__(self, config: Config | None = None) -> None:
        if config is not None and not isinstance(config, self.config_class):
            raise TypeError(
                f"{self.name} takes a {self.config_class.__name__}, not a {type(config).__name__}"
            )
        self.config = config if config is not None else self.config_class()
        self._checkpoint_folder: Path | None = None

    # -- fit ------------------------------------------------------------------------------------------

    def fit(
        self,
        data: Interactions,
        *,
        seed: int,
        progress: Progress | None = None,
        warm_start: WarmStart | None = None,
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn from `data` and return the model itself.

        A second fit forgets the first. A fit that fails leaves the model unfitted.

        Args:
            data: the snapshot. The model trains on `data.matrix(config.matrix or cls.matrix)`.
            seed: the only source of randomness; it also draws the order in which ties are broken.
            progress: called as progress(done, total) during long fits.
            warm_start: learned arrays of an earlier fit to start from; models without `warm_parts` ignore it.
            checkpoints: a folder for the state of a long fit, of this fit alone. If it holds one, because the process
                was killed, the fit goes on from there. Models without long fits ignore it.

        Raises:
            ValueError: the training matrix holds NaN or infinity.
            DivergedError: training diverged.
            WarmStartError: the warm start does not fit the data or the hyperparameters.
        """
        self._forget()
        self._checkpoint_folder = checkpoints
        name = self.config.matrix or self.matrix
        matrix = data.matrix(name)
        if not np.isfinite(matrix.data).all():
            raise ValueError(f"{self.name}: the training matrix holds NaN or infinite values")
        try:
            self._set_known(matrix)
            if name == "composite":  # explicit ratings have a scale of their own, and other entries are 1
                matrix = limited_for(self.name, matrix)
            liked = matrix.data[matrix.data > 0]
            self.like_value_ = np.float32(np.quantile(liked, 0.5, method="lower") if liked.size else 1)
            self.tie_order_ = np.random.default_rng(seed).permutation(data.n_items).astype(np.int32)
            start = warm_start if self.warm_parts() else None
            self._fit(matrix, data, seed=seed, progress=progress or _silent, warm_start=start)
            self._check_learned()
            self._learn_to_fold_in(likes_in(matrix, name, data), seed)
        except BaseException:
            self._forget()
            raise
        return self

    @abstractmethod
    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        """Set every learned attribute. May extend or reduce `known_users_` and `known_items_`."""

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return the learned arrays that a later fit starts from, and what their rows are; empty: it cannot."""
        return {}

    def _check_learned(self) -> None:  # noqa: B027  (most models have nothing to check)
        """Raise if the learned state cannot rank anything. Called after `_fit`."""

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:  # noqa: B027  (as above)
        """Learn what `_fold_in` needs beside the learned state. Called last; `likes` is (n_users, n_items)."""

    def _only_positive(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """Return 1 for every entry above 0, whatever its value; users and items without one become unknown."""
        liked = matrix.data > 0
        likes = sparse.csr_array(
            (liked.astype(matrix.dtype), matrix.indices, matrix.indptr), shape=matrix.shape
        )
        if liked.all():
            return likes
        logger.warning(
            "%s ignores %d of %d entries: only entries above zero count as likes.",
            self.name, (~liked).sum(), liked.size,
        )  # fmt: skip
        return self._only_nonzero(likes)

    def _only_nonzero(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """Return `matrix` without explicit zeros; users and items without any other entry become unknown."""
        if matrix.data.all():
            return matrix
        others = matrix.copy()
        others.eliminate_zeros()
        self._set_known(others)
        return others

    def _set_known(self, matrix: sparse.csr_array) -> None:
        """Mark users and items with at least one stored entry as known."""
        self.known_users_ = np.diff(matrix.indptr) > 0
        self.known_items_ = np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0

    # -- score ----------------------------------------------------------------------------------------

    def score(self, users: IntArray) -> FloatArray:
        """Return the scores of all items for a block of users.

        Args:
            users: (b,) integer user indices of any range.

        Returns:
            (b, n_items) float32; NaN for unknown users (no training row, or an index outside the matrix) and for
            unknown items.

        Raises:
            ValueError: `users` are not integers.
            NotFittedError: the model is not fitted.
        """
        users, known = self._split_known(users)
        block = np.full((len(users), len(self.known_items_)), np.nan, np.float32)
        if known.any():
            scores = self._score(users[known])
            scores[:, ~self.known_items_] = np.nan
            block[known] = scores
        return block

    @abstractmethod
    def _score(self, users: IntArray) -> FloatArray:
        """Return the scores of all items for known users: a new (len(users), n_items) float32 array."""

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Predict the ratings of (user, item) pairs; only models of the rating can.

        Args:
            users: (n,) integer user indices.
            items: (n,) integer item indices, one for each user.

        Returns:
            (n,) float32; a pair with an unknown side is predicted from the known side alone.

        Raises:
            NotImplementedError: the model ranks items and does not predict ratings.
        """
        raise NotImplementedError(f"{self.name} ranks items; it does not predict ratings")

    def recommend(
        self,
        users: IntArray,
        n: int,
        *,
        exclude: sparse.csr_array | None = None,
        items: BoolArray | None = None,
    ) -> TopN:
        """Return the n best items for each user.

        Ties are broken by a permutation drawn from the seed of `fit`, never by item index.

        Args:
            users: (n_rows,) integer user indices; unknown users get an empty list.
            n: length of the lists, at least 1.
            exclude: (n_users, n_items); items stored in a user's row are left out of that user's list.
            items: (n_items,) bool mask of eligible items; by default every item that the model knows.

        Returns:
            Lists of shape (n_rows, n); short ones are padded.

        Raises:
            ValueError: `n` is below 1, `users` are not integers, or `exclude` or `items` has another shape or dtype.
            NotFittedError: the model is not fitted.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        users, known = self._split_known(users)
        n_items = len(self.known_items_)
        if exclude is not None:
            exclude = as_rows("exclude", exclude, (len(self.known_users_), n_items))
        eligible = self.known_items_
        if items is not None:
            eligible = eligible & as_mask("items", items, n_items)
        if known.all() and eligible.any():
            return self._recommend(users, n, exclude, eligible)
        top = TopN.empty(len(users), n)
        if known.any() and eligible.any():
            found = self._recommend(users[known], n, exclude, eligible)
            top.items[known], top.scores[known] = found.items, found.scores
        return top

    @abstractmethod
    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        """Return the lists of known users. `eligible` is an item mask; each family of models shares one scorer."""

    def recommend_for(
        self, histories: Sequence[ArrayLike], n: int, *, items: BoolArray | None = None
    ) -> TopN:
        """Return the n best items for users who were not trained on, from their histories alone.

        The items of a history are never listed. Those that the model does not know are ignored; a user without any
        other gets an empty list. New users do not count for each other.

        Args:
            histories: for each user the indices of items that they liked, oldest first; of a repeated one the last
                time counts. Sequence models and blends read the order.
            n: length of the lists, at least 1.
            items: (n_items,) bool mask of eligible items; by default every item that the model knows.

        Returns:
            Lists of shape (len(histories), n); short ones are padded.

        Raises:
            ValueError: `n` is below 1, a history is no list of integers, or `items` has another shape or dtype.
            NotImplementedError: the model knows no way to rank items for users it was not trained on.
            NotFittedError: the model is not fitted.
        """
        self._check_fitted()
        new = NewUsers.of(histories, len(self.known_items_))
        return self.fold_in(new).recommend(np.arange(len(histories)), n, exclude=new.likes(), items=items)

    def fold_in(self, new: NewUsers) -> Self:
        """Return a copy of this model whose users are `new`; raise as `recommend_for` does."""
        self._check_fitted()
        if not hasattr(self, "like_value_"):  # saved by an earlier version
            raise NotImplementedError(f"{self.name} was fitted by an earlier version: fit it again")
        known = new.among(self.known_items_)
        folded = copy(self)
        folded.known_users_ = known.lengths > 0
        folded._fold_in(known)
        return folded

    def _fold_in(self, new: NewUsers) -> None:
        """Replace everything that was learned of users by the same of `new`, whose items are all known.

        Called on a copy of the model: assign new arrays, and do not change those that are there. `known_users_` is set.
        """
        raise NotImplementedError(
            f"{self.name} ranks items only for users that it was trained on: choose another model for new users"
        )

    def similar_items(self, items: IntArray, n: int, *, among: BoolArray | None = None) -> TopN:
        """Return the n items most similar to each of `items`, the item itself excluded.

        Items whose similarity is not above 0 are not similar, and are left out.

        Args:
            items: (n_rows,) integer item indices; unknown items get an empty list.
            n: length of the lists, at least 1.
            among: (n_items,) bool mask of items that may be listed; by default every item that the model knows.

        Returns:
            Lists of shape (n_rows, n); short ones are padded.

        Raises:
            ValueError: `n` is below 1, `items` are not integers, or `among` has another shape or dtype.
            NotFittedError: the model is not fitted.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        items, known = self._split_known_items(items)
        top = TopN.empty(len(items), n)
        eligible = self.known_items_
        if among is not None:
            eligible = eligible & as_mask("among", among, len(eligible))
        if known.any() and eligible.any():
            found = self._similar_items(items[known], n, eligible)
            is_similar = found.scores > 0
            top.items[known] = np.where(is_similar, found.items, -1)
            top.scores[known] = np.where(is_similar, found.scores, np.nan)
        return top

    @abstractmethod
    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Return the lists of known items; `eligible` is an item mask."""

    # -- explain --------------------------------------------------------------------------------------

    def because_of(
        self, users: IntArray, items: NDArray[np.int32], liked: sparse.csr_array
    ) -> NDArray[np.int32] | None:
        """Return the liked item that contributes most to each listed item ("because you liked …").

        Args:
            users: (b,) integer user indices; unknown ones are allowed.
            items: (b, n) integers, the users' lists; −1 pads.
            liked: (b, n_items), the users' histories: every stored entry is a liked item. Only these are reasons.

        Returns:
            (b, n) int32 item indices, −1 where no liked item contributes; None if the model has no explanations
            because its scores do not come from the items of the history.

        Raises:
            ValueError: `users` or `items` are not integers or out of range, or one of the three has another shape.
            NotFittedError: the model is not fitted.
        """
        users, _ = self._split_known(users)
        n_items = len(self.known_items_)
        lists = as_lists("items", items, len(users), n_items)
        liked = as_rows("liked", liked, (len(users), n_items))
        return self._because_of(users, lists, liked)

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],  # noqa: ARG002
        liked: sparse.csr_array,  # noqa: ARG002
    ) -> NDArray[np.int32] | None:
        """Return the reasons; some users may be unknown. By default None: the model has no explanations."""
        return None

    # -- keep -----------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write `model.json` and `arrays.npz` (no pickle) into `folder`, which is created if absent.

        Raises:
            NotFittedError: the model is not fitted.
        """
        self._check_fitted()
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(folder / "arrays.npz", self._learned())
        about = {"name": self.name, "config": self.config.model_dump(mode="json")}
        (folder / "model.json").write_text(json.dumps(about, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; scores are the same to the bit.

        Raises:
            ValueError: the folder holds another model.
        """
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if about["name"] != cls.name:
            raise ValueError(f"{folder} holds the model {about['name']!r}, not {cls.name!r}")
        model = cls._restored(cls.config_class.model_validate(about["config"]), folder)
        vars(model).update(load_arrays(folder / "arrays.npz"))
        return model

    @classmethod
    def _restored(cls, config: Config, folder: Path) -> Self:  # noqa: ARG003  (for models made of others)
        """Return an unfitted model for `load` to fill; `folder` is the one that `load` reads."""
        return cls(config)

    def _learned(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k.endswith("_") and not k.startswith("_")}

    def _check_fitted(self) -> None:
        if not hasattr(self, "known_items_"):
            raise NotFittedError(f"{self.name} is not fitted yet: call fit first")

    def _forget(self) -> None:
        """Delete everything learned, so that the model is as it was before the first `fit`."""
        for name in self._learned():
            delattr(self, name)

    def _split_known(self, users: IntArray) -> tuple[IntArray, BoolArray]:
        self._check_fitted()
        return split_known("users", users, self.known_users_)

    def _split_known_items(self, items: IntArray) -> tuple[IntArray, BoolArray]:
        self._check_fitted()
        return split_known("items", items, self.known_items_)


def _silent(done: int, total: int) -> None:
    """Ignore the progress."""
