"""Find a fitted model of a run for a use that not every model has, and say plainly why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.export.exportable import Exportable
from models.ranking.item_vectors import ItemVectorRecommender
from models.ranking.user_similarity import UserSimilarityRecommender
from models.registry import ENSEMBLES, RECOMMENDERS, recommender_class, require_known
from tasks.artifacts import FittedModel, Snapshot
from tasks.errors import UsageError
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs


@dataclass(frozen=True)
class Use:
    """A use of fitted models, and how errors speak of it.

    Attributes:
        base: the class of the models that have it.
        except_for: a class of them that has not.
        can: what these models do, after "models that".
        cannot: what any other model does, after its name.
        why: the reason, after "it".
        advice: a sentence on what else to do.
    """

    base: type
    can: str
    cannot: str
    why: str
    advice: str = ""
    except_for: type | None = None


EXPORT = Use(
    Exportable, "can be exported", "cannot be exported",
    why="scores items by tables of all items, not by vectors of users",
    advice="Its lists for new users: recs show --items 1,2,3.",
)  # fmt: skip
EMBEDDINGS = Use(
    ItemVectorRecommender, "have vectors", "has no vectors", why="scores items by tables of all items"
)
SIMILAR_ITEMS = Use(
    Recommender, "find similar items", "finds no similar items",
    why="knows only how many users an item has",
    except_for=Popularity,
)  # fmt: skip
SIMILAR_USERS = Use(
    UserSimilarityRecommender, "find similar users", "finds no similar users", why="does not compare users"
)


@dataclass(frozen=True)
class FoundModel:
    """A fitted model of a run.

    Attributes:
        run: the run.
        fitted: the model.
        snapshot: the data that it was fitted on.
        fitted_on: `everything`, or `before the cut` for a model that was only judged.
        titles: a Parquet file with the columns item_id and title; None if the run's lists are not kept.
    """

    run: Run
    fitted: FittedModel
    snapshot: Snapshot
    fitted_on: str
    titles: Path | None

    def ids(self, side: Literal["user", "item"]) -> pa.Array:
        """Return the external ids of all users or items, in the order of the model's rows."""
        return pq.read_table(self.snapshot.folder / f"{side}s.parquet")[f"{side}_id"].combine_chunks()

    @property
    def note(self) -> str:
        """A sentence for the operator on which fit it is; empty for the usual one."""
        if self.fitted_on == "everything":
            return ""
        return (
            f"{self.fitted.model} did not make the lists of run {self.run.run_id}: this fit, made to be judged, does "
            "not know the newest data. Nights fit on everything what their champion needs: a blend that has it, or it "
            "alone (recs run --models NAME)."
        )


def check_has_use(model: str, use: Use) -> None:
    """Raise a UsageError if no model has that name, or if it lacks the use; import it only if it exists."""
    if model not in ENSEMBLES:
        try:
            require_known(model)
        except ValueError as error:
            message, _, names = str(error).partition(" Models: ")
            raise UsageError(message, f"Models: {names}") from error
    if _has_use(model, use):
        return
    why = "is made of other models" if model in ENSEMBLES else use.why
    others = ", ".join(name for name in RECOMMENDERS if _has_use(name, use))
    raise UsageError(
        f"{model} {use.cannot}: it {why}.", f"Models that {use.can}: {others}. {use.advice}".rstrip()
    )


def find_model(home: Home, run_id: int, model: str, use: Use) -> FoundModel:
    """Return a model of a run, fitted on everything if there is such a fit.

    Args:
        home: of the run.
        run_id: a run of the home.
        model: a name that `check_has_use` has passed.
        use: what the model is for; an error names the models of the run that have it.

    Raises:
        UsageError: there is no such run, or it has no such model, or its models are not kept.
    """
    run, kept = _kept_models(home, run_id)
    for fits, snapshot, fitted_on in (
        (kept.refits, kept.everything, "everything"),
        (kept.fits, kept.judged, "before the cut"),
    ):
        if model in fits and snapshot is not None:
            return FoundModel(run, fits[model], snapshot, fitted_on, _titles(kept))
    raise _no_such_model(run, model, kept, use)


def best_model(home: Home, run_id: int, use: Use, *, first: str | None = None) -> FoundModel:
    """Return the best model of a run, fitted on everything, that has a use: by rank, the champion first.

    Args:
        home: of the run.
        run_id: a run of the home.
        use: what the model is for.
        first: the name of a model that comes before all others.

    Raises:
        UsageError: there is no such run, or its models are not kept, or none has the use.
    """
    run, kept = _kept_models(home, run_id)
    ranking = kept.choice.ranking if kept.choice is not None else ()
    for name in dict.fromkeys((first, run.champion, *ranking, *kept.refits)):
        if name is not None and name in kept.refits and kept.everything is not None and _has_use(name, use):
            return FoundModel(run, kept.refits[name], kept.everything, "everything", _titles(kept))
    judged = [name for name in kept.fits if _has_use(name, use)]
    raise UsageError(
        f"The lists of run {run_id} were made without any of the models that {use.can}.",
        f"Name one that was only judged: --model {' or '.join(judged)}" if judged else "",
    )


def _kept_models(home: Home, run_id: int) -> tuple[Run, RunArtifacts]:
    run = Runs(home.runs).find(run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id} in {home.path}.", "recs runs lists them.")
    kept = find_artifacts(home.artifact_store, run)
    if not kept.refits and not kept.fits:
        raise UsageError(
            f"The models of run {run.run_id} are not kept in {home.path}.", "A night fits new ones: recs run"
        )
    return run, kept


def _titles(kept: RunArtifacts) -> Path | None:
    return None if kept.lists is None else kept.lists.folder / "items.parquet"


def _has_use(model: str, use: Use) -> bool:
    if model not in {**RECOMMENDERS, **ENSEMBLES}:  # of another version
        return False
    found = recommender_class(model)
    return issubclass(found, use.base) and not (use.except_for and issubclass(found, use.except_for))


def _no_such_model(run: Run, model: str, kept: RunArtifacts, use: Use) -> UsageError:
    there = _in_order({*kept.refits, *kept.fits})
    can = ", ".join(name for name in there if _has_use(name, use)) or "none"
    single = [name for name in there if name in RECOMMENDERS]
    hint = f"A night that has it: recs run --models {','.join([*single, model])}"
    return UsageError(
        f"Run {run.run_id} has no fitted {model}; of its models these {use.can}: {can}.",
        f"The settings of {model} are in pipeline.toml." if model in ENSEMBLES else hint,
    )


def _in_order(names: Iterable[str]) -> list[str]:
    """Return names of models and ensembles in the order of the registry."""
    given = set(names)
    return [name for name in (*RECOMMENDERS, *ENSEMBLES) if name in given]
