"""A home of nights as frames: runs, figures, held-out likes, models, lists; and new models judged beside them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from models import interactions as matrices
from models.base import Recommender
from nightly_recs.fitted import FittedModel
from nightly_recs.interactions import Interactions
from tasks.artifacts import Snapshot
from tasks.errors import UsageError
from tasks.reporting.run_artifacts import RunArtifacts
from tasks.reporting.run_report import read_report
from tasks.storage.home import Home as Folders
from tasks.storage.home import existing_home
from tasks.storage.run_records import Run, Runs
from tasks.training.load_model import load_model
from tasks.tuning import try_setting

Part = Literal["training", "everything"]
"""The interactions before the cutoff, on which models are judged; or all, on which the lists are made."""


def open_home(path: str | Path = "data/demo", run: int | None = None) -> Home:
    """Open the home of a data set to read it; a night may run meanwhile.

    Args:
        path: the folder.
        run: the night to look at; by default the newest that judged models and whose models are kept.

    Raises:
        UsageError: there is no such home or night.
    """
    return Home(existing_home(Path(path)), run)


class Home:
    """A home, and one night of it. Nothing here writes to it.

    Attributes:
        run_id: of the night.
    """

    def __init__(self, folders: Folders, run_id: int | None = None) -> None:
        self._folders = folders
        self._night = try_setting.judged_night(folders, run_id)
        self.run_id = self._night.run.run_id

    @property
    def runs(self) -> pd.DataFrame:
        """All nights, newest first: status, champion, rows, times."""
        columns = ("run_id", "status", "as_of", "started_at", "finished_at", "champion", "rows", "reason")
        rows = [{name: getattr(run, name) for name in columns} for run in Runs(self._folders.runs).all()]
        return pd.DataFrame(rows, columns=list(columns)).set_index("run_id")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The figures of the night, as in the table `model_metrics`."""
        report = read_report(self._folders, self.run_id)
        return pd.DataFrame([vars(row) for row in report.metrics])

    @property
    def models(self) -> pd.DataFrame:
        """The fitted models that are kept, and the parts that they were fitted on."""
        rows = [
            {"model": name, "part": part}
            for part, fits in (("training", self._kept.fits), ("everything", self._kept.refits))
            for name in fits
        ]
        return pd.DataFrame(rows, columns=["model", "part"])

    def interactions(self, part: Part = "training") -> Interactions:
        """Return the night's interactions.

        Raises:
            UsageError: they are not kept.
        """
        return self._parts[self._checked(part)]

    @cached_property
    def held_out(self) -> pd.DataFrame:
        """The likes that models are judged by: columns user, item and half (select or report)."""
        folder, data = self._night.held_out.folder, self.interactions()
        relevant = matrices.load_matrix(folder, "relevant").tocoo()
        with np.load(folder / "users.npz", allow_pickle=False) as users:
            rows, half = users["user_idx"], users["half"]
        return pd.DataFrame({
            "user": data.user_ids[rows[relevant.row]],
            "item": data.item_ids[relevant.col],
            "half": np.where(half[relevant.row] == 0, "select", "report"),
        })  # fmt: skip

    def model(self, name: str, part: Part = "training") -> FittedModel:
        """Return a fitted model of the night.

        Raises:
            UsageError: the night has none of this name that is kept.
        """
        fits = self._kept.fits if self._checked(part) == "training" else self._kept.refits
        if name not in fits:
            raise UsageError(
                f"Run {self.run_id} has no {name} fitted on {part}.",
                f"There are: {', '.join(fits) or 'none'}.",
            )
        fitted = fits[name]
        return FittedModel(load_model(fitted), self.interactions(part), fitted.seconds)

    def recommendations(self, users: Iterable[Any] | None = None) -> pd.DataFrame:
        """Return the lists that the night made: columns user, rank, item, title, score and model.

        Args:
            users: ids; None for all.

        Raises:
            UsageError: the night made no lists, or they are not kept.
        """
        if self._kept.lists is None:
            raise UsageError(f"The lists of run {self.run_id} are not kept.", "recs runs tells which are.")
        asked = None if users is None else [("user_id", "in", list(users))]
        columns = ["user_id", "rank", "item_id", "score", "model"]
        table = pq.read_table(
            self._kept.lists.folder / "recommendations.parquet", columns=columns, filters=asked
        )
        found: pd.DataFrame = table.to_pandas().rename(columns={"user_id": "user", "item_id": "item"})
        found.insert(3, "title", self._titles().reindex(found["item"]).to_numpy())
        return found

    def recommend(self, model: str, users: Iterable[Any], n: int = 10) -> pd.DataFrame:
        """Return the lists that a model of the night makes, with titles; fitted on everything if that is kept."""
        part: Part = "everything" if model in self._kept.refits else "training"
        return self.model(model, part).recommend(users, n)

    def judge(
        self,
        model: str | Recommender | FittedModel,
        *,
        half: Literal["select", "report"] = "select",
        **settings: Any,
    ) -> pd.DataFrame:
        """Judge a model beside the night's own, on its held-out users and by its protocol.

        Args:
            model: a name, which is fitted with the night's settings and those given; a recommender of your own, fitted
                on `interactions()` or not yet; or what `nr.fit` returns.
            half: of the held-out users. Choose by `select`; look at `report` once.
            settings: hyperparameters of a named model.

        Returns:
            A row for each model: the metrics' means, the interval of the metric that chooses champions, and by how much
            the judged model is ahead, paired over users, with its interval.

        Raises:
            UsageError: there is no such model or setting, or the model was fitted on other data.
        """
        if isinstance(model, str):
            options = [f"{name}={value}" for name, value in settings.items()]
            tried = try_setting.try_setting(
                self._night, model, try_setting.tried_config(self._night, model, options), half=half
            )
        else:
            own = model.recommender if isinstance(model, FittedModel) else model
            tried = try_setting.judge(self._night, own, half=half)
        return _judged(tried)

    @property
    def _kept(self) -> RunArtifacts:
        return self._night.kept

    @cached_property
    def _parts(self) -> dict[str, Interactions]:
        found = {"training": self._kept.judged, "everything": self._kept.everything}
        titles = self._titles()
        return {name: _interactions(part, titles) for name, part in found.items() if part is not None}

    def _checked(self, part: str) -> str:
        if part not in self._parts:
            raise UsageError(
                f"Run {self.run_id} keeps no part {part!r}.", f"Parts: {', '.join(self._parts)}."
            )
        return part

    def _titles(self) -> pd.Series[Any]:
        if self._kept.lists is None:
            return pd.Series(dtype=object)
        items = pq.read_table(self._kept.lists.folder / "items.parquet", columns=["item_id", "title"])
        titles: pd.Series[Any] = items.to_pandas().set_index("item_id")["title"]
        return titles

    def __repr__(self) -> str:
        run: Run = self._night.run
        names = ", ".join(self._night.per_user)
        return f"Home {self._folders.path} of {run.dataset}, run {run.run_id} ({run.status}), which judged {names}"


def _interactions(part: Snapshot, titles: pd.Series[Any]) -> Interactions:
    users, items = (
        pd.Index(pq.read_table(part.folder / f"{side}s.parquet")[f"{side}_id"].to_pandas())
        for side in ("user", "item")
    )
    return Interactions(matrices.Interactions.load(part.folder), users, items, titles)


def _judged(tried: try_setting.Tried) -> pd.DataFrame:
    metric, rows = tried.metric, []
    for each in tried.judgements:
        figures = {name: found.mean for name, found in each.figures.items()}
        own, lead = each.figures[metric], each.lead.get(metric)
        rows.append({
            "model": f"{tried.model} (tried)" if each.model == "tried" else each.model,
            metric: own.mean, "low": own.low, "high": own.high,
            "lead": None if lead is None else lead.mean,
            "lead_low": None if lead is None else lead.low,
            "lead_high": None if lead is None else lead.high,
            **{name: value for name, value in figures.items() if name != metric},
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("model")
