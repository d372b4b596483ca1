"""Judgements of a model beside its lists for held-out users: ratings, new users, new items and similar items.

Each writes files of its own. They are numbered, so that an engine can do them in blocks (`tasks/engine/engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.base import BoolArray, Recommender
from tasks.artifacts import HeldOut
from tasks.engine.engine import Rows
from tasks.evaluation.cold_start import (
    judge_new_items,
    judge_new_users,
    judge_new_users_by_side_data,
)
from tasks.evaluation.judged_blocks import JudgeJob
from tasks.evaluation.link_prediction import judge_similar_items
from tasks.preparation.item_statistics import load_item_statistics
from tasks.training.load_model import load_model


@dataclass(frozen=True)
class OtherJudgements:
    """Writes the files of some of `JUDGEMENTS`; opened by `open_other_judgements`.

    Attributes:
        models: the model to judge, then those that complete its lists, in this order.
        held_out: what it is judged on.
        k: the lengths at which lists are judged.
        folder: where to write.
    """

    models: Sequence[Recommender]
    held_out: HeldOut
    k: tuple[int, ...]
    folder: Path

    def __call__(self, rows: Rows) -> pa.Table:
        """Do the judgements of these numbers, and return their names."""
        done = JUDGEMENTS[rows.start : rows.stop]
        for judge in done:
            judge(self)
        return pa.table({"judgement": [judge.__name__ for judge in done]})

    @cached_property
    def touched(self) -> BoolArray:
        """(n_items,) bool, items with an interaction before the cutoff."""
        touched: BoolArray = load_item_statistics(self.held_out).popularity > 0
        return touched


def _ratings(given: OtherJudgements) -> None:
    judge_ratings(given.models[0], given.held_out, given.folder)


def _new_users(given: OtherJudgements) -> None:
    judge_new_users(given.models, given.touched, given.held_out, given.k, given.folder)


def _new_users_by_side_data(given: OtherJudgements) -> None:
    judge_new_users_by_side_data(given.models, given.touched, given.held_out, given.k, given.folder)


def _new_items(given: OtherJudgements) -> None:
    judge_new_items(given.models[0], given.touched, given.held_out, given.k, given.folder)


def _similar_items(given: OtherJudgements) -> None:
    judge_similar_items(given.models[0], given.held_out, given.folder)


JUDGEMENTS: tuple[Callable[[OtherJudgements], None], ...] = (
    _ratings, _new_users, _new_users_by_side_data, _new_items, _similar_items,
)  # fmt: skip


def open_other_judgements(job: tuple[JudgeJob, Path]) -> OtherJudgements:
    """Open what these judgements need; `job` is that of the lists, and the folder to write into."""
    about, folder = job
    models = [load_model(each) for each in (about.fitted, *about.backfill)]
    return OtherJudgements(models, about.held_out, about.k, folder)


def judge_ratings(model: Recommender, held_out: HeldOut, folder: Path) -> None:
    """Write `errors.npz`, predicted − given for every held-out rating, for a model that predicts ratings.

    Nothing is written for other models: one that learned from another matrix predicts something else.

    Args:
        model: a fitted model.
        held_out: holds the later ratings.
        folder: where to write.
    """
    if (model.config.matrix or model.matrix) != "rating":
        return
    with np.load(held_out.folder / "ratings.npz", allow_pickle=False) as later:
        try:
            predicted = model.predict(later["user_idx"], later["item_idx"])
        except NotImplementedError:
            return  # it ranks by ratings without predicting them
        np.savez(folder / "errors.npz", allow_pickle=False, error=predicted - later["rating"])
