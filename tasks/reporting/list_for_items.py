"""The list of a user who came after the night, from the items that the user likes and the models of the live run."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.base import Recommender
from models.did_you_mean import did_you_mean
from models.new_users import NewUsers
from tasks.artifacts import FittedModel, Snapshot
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication.queries import Item, Recommended, find_items, items_of
from tasks.publication.targets.base import Target
from tasks.recommendation.backfill import completed_lists
from tasks.recommendation.explanations import explain_lists
from tasks.reporting.model_lists import blocked_items, eligible_items, models_not_kept, settings_of_lists
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.training.load_model import load_model

Id = int | str


@dataclass(frozen=True)
class ListForItems:
    """A list for somebody who likes some items.

    Attributes:
        run_id: the run whose models made it.
        liked: the items.
        rows: the list, best first.
        notes: sentences on what was left out or chosen.
    """

    run_id: int
    liked: tuple[Item, ...]
    rows: tuple[Recommended, ...]
    notes: tuple[str, ...]


def list_for_items(
    home: Home, target: Target, settings: Settings, items: str, n: int, *, model: str | None = None
) -> ListForItems:
    """Return the list of somebody who likes some items and is in no data.

    The model's list is completed by the backfill models, as everybody's is. Blocked items and genres that are not
    allowed are left out; pins, boosts and diversity, which belong to published lists, do not apply.

    Args:
        home: of the night.
        target: its serving database.
        settings: the present ones; the genres are those of the run, if it recorded them.
        items: ids or titles with commas between them, oldest first, as typed; one with a comma in it is quoted.
        n: rows at most.
        model: the name of a fitted model of the run; by default the one that made the published lists or, if that
            cannot make lists for new users, the best that can.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: the text names no item that the run knows, or the run has no such model, or none that is kept.
    """
    liked, unknown = find_items(target, _parse(items))
    if not liked:
        raise UsageError(
            f"No item has the id or title {', '.join(unknown)}.",
            "Give ids or whole titles, such as --items 1,2,3.",
        )
    notes = [f"Left out, because no item has this id or title: {', '.join(unknown)}."] if unknown else []
    run = _live_run(home, target)
    fits, choices = _choices(find_artifacts(home.artifact_store, run), run, model, home, notes)
    ids = pq.read_table(fits.snapshot.folder / "items.parquet")["item_id"].to_pylist()
    new = _history(ids, liked, notes)
    folded = _first_that_can(choices, new, run, model, notes)
    _note_what_it_ignores(folded, new, ids, notes)
    recommend = settings_of_lists(run, settings.recommend)
    backfill = (name for name in recommend.backfill_models if name in fits.models)
    others = [load_model(fits.models[name]).fold_in(new) for name in backfill]
    eligible = eligible_items(fits.snapshot, recommend, ids, blocked_items(target))
    rows = _rows(target, [folded, *(m for m in others if m.name != folded.name)], new, ids, eligible, n)
    return ListForItems(
        run.run_id, tuple({each.item_id: each for each in liked}.values()), rows, tuple(notes)
    )


class _Fits(NamedTuple):
    """Models by name, and the snapshot that they were fitted on."""

    snapshot: Snapshot
    models: dict[str, FittedModel]


def _parse(text: str) -> list[str]:
    """Return the ids and titles in a text with commas between them."""
    found = [part.strip() for row in csv.reader([text], skipinitialspace=True) for part in row]
    if not any(found):
        raise UsageError(
            f"--items names no item (given: {text!r}).",
            "Give ids or whole titles with commas between them, such as --items 1,2,3.",
        )
    return [part for part in found if part]


def _live_run(home: Home, target: Target) -> Run:
    """Return the record of the run whose lists are live."""
    live = target.live_run()
    run = None if live is None else Runs(home.runs).find(live)
    if run is None:
        raise models_not_kept(live, home)
    return run


def _choices(
    artifacts: RunArtifacts, run: Run, model: str | None, home: Home, notes: list[str]
) -> tuple[_Fits, list[FittedModel]]:
    """Return the models of the run, and those to try, best first: only `model` if that is given."""
    if artifacts.everything is None or not artifacts.refits:
        raise models_not_kept(run.run_id, home)
    live = _Fits(artifacts.everything, artifacts.refits)
    if model is None:
        ranking = artifacts.choice.ranking if artifacts.choice is not None else ()
        names = dict.fromkeys((run.champion, *ranking, *live.models))
        return live, [live.models[name] for name in names if name in live.models]
    if model in live.models:
        return live, [live.models[model]]
    if artifacts.judged is not None and model in artifacts.fits:
        notes.append(
            f"{model} did not make the published lists: it was fitted without the newest data, to be judged."
        )
        return _Fits(artifacts.judged, artifacts.fits), [artifacts.fits[model]]
    there = sorted({*live.models, *artifacts.fits})
    raise UsageError(
        f"Run {run.run_id} has no model {model!r}.",
        f"{did_you_mean(model, there)} It has: {', '.join(there)}.".lstrip(),
    )


def _history(ids: Sequence[Id], liked: Sequence[Item], notes: list[str]) -> NewUsers:
    """Return the items as the history of one new user."""
    index = {item: number for number, item in enumerate(ids)}
    gone = [str(item.item_id) for item in liked if item.item_id not in index]
    if len(gone) == len(liked):
        raise UsageError(
            f"The models know none of the items {', '.join(gone)}: they are not in the data any more.",
            "Give other items.",
        )
    if gone:
        notes.append(f"Left out, because they are not in the data any more: {', '.join(gone)}.")
    return NewUsers.of([[index[item.item_id] for item in liked if item.item_id in index]], len(ids))


def _first_that_can(
    choices: Sequence[FittedModel], new: NewUsers, run: Run, model: str | None, notes: list[str]
) -> Recommender:
    """Return the first of the models that can make lists for new users, with `new` as its users."""
    for fitted in choices:
        try:
            folded = load_model(fitted).fold_in(new)
        except NotImplementedError as error:
            if model is not None:
                raise UsageError(f"{error}.", "Leave --model out for the best model that can.") from error
            continue
        if model is None and folded.name != run.champion:
            notes.append(
                f"{run.champion}, which made the published lists, ranks only for users it was trained on: "
                f"this list is by {folded.name}."
            )
        return folded
    raise UsageError(
        f"No model of run {run.run_id} can make lists for new users.", "The next night may: recs run"
    )


def _note_what_it_ignores(folded: Recommender, new: NewUsers, ids: Sequence[Id], notes: list[str]) -> None:
    ignored = [str(ids[item]) for item in new.items if not folded.known_items_[item]]
    if ignored:
        notes.append(
            f"{folded.name} knows nothing of {', '.join(ignored)}: nobody had liked that before the night."
        )


def _rows(
    target: Target,
    models: Sequence[Recommender],
    new: NewUsers,
    ids: Sequence[Id],
    eligible: NDArray[np.bool_] | None,
    n: int,
) -> tuple[Recommended, ...]:
    """Return the list by the first model, completed by the others, with the reasons of each item."""
    user, likes = np.array([0]), new.likes()
    lists = completed_lists(models, user, n, likes, eligible)
    reasons = explain_lists(lists, user, models, models[1:], likes)[0]
    listed = np.flatnonzero(lists.items[0] >= 0)
    named = items_of(target, {ids[item] for item in (*lists.items[0, listed], *reasons[reasons >= 0])})
    return tuple(
        Recommended(
            rank=int(place) + 1,
            item=named[ids[lists.items[0, place]]],
            score=float(lists.scores[0, place]),
            model=models[lists.placed_by[0, place]].name,
            because_of=None if reasons[place] < 0 else named[ids[reasons[place]]].label,
        )
        for place in listed
    )
