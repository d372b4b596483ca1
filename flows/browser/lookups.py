"""Look up any user's list beside the history, and items by title, for the local browser. Reads only, takes no lock."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.publication.queries import (
    Item,
    ShownList,
    SimilarItems,
    list_at_login,
    lists_of,
    similar,
)
from tasks.reporting.list_samples import Id, Listed
from tasks.reporting.model_lists import ModelList, ModelLists, models_of_live_run
from tasks.storage.home import Home

N_ROWS, N_LIKED, N_USERS = 20, 20, 12
MAX_TEXT = 200
"""Characters of an id or a title that is looked up."""


@dataclass(frozen=True)
class UserPage:
    """A user's list and history.

    Attributes:
        user_id: the user.
        run_id: the live run.
        personal: False if the published list is the fallback list.
        model: whose list it is; empty for the published one.
        models: the names of all that can be asked.
        note: a sentence on the list; may be empty.
        liked: (title, stars or None), best first.
        rows: the list.
    """

    user_id: Id
    run_id: int
    personal: bool
    model: str
    models: tuple[str, ...]
    note: str
    liked: tuple[tuple[str, float | None], ...]
    rows: tuple[Listed, ...]


class Lookups:
    """Answers the browser's questions about one home; the models of the live run stay loaded.

    Args:
        home: of the nights.
        settings: name the serving database.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self._settings = home, settings
        self._lock = threading.Lock()  # one model computes at a time
        self._models: dict[int, ModelLists] = {}

    def some_users(self) -> tuple[int, list[Id]]:
        """Return the live run and a few users to begin with.

        Raises:
            NoListsError: nothing has been published yet.
        """
        with self._lock:
            run_id, models = self._live_models()
            return run_id, [] if models is None else models.some_users(N_USERS)

    def user(self, text: str, model: str = "") -> UserPage:
        """Return a user's list and history.

        Args:
            text: the user's id as typed.
            model: the name of a model of the live run; empty for the published list.

        Raises:
            NoListsError: nothing has been published yet.
            UsageError: the id is not of the home's type, or there is no such model.
        """
        text = _bounded(text)
        with lists_of(self.home, self._settings) as target:
            found = list_at_login(target, text, N_ROWS)
        with self._lock:
            _, models = self._live_models()
            names = () if models is None else models.names
            if model and model not in names:
                raise UsageError(
                    f"There is no model {model[:MAX_TEXT]!r}.",
                    f"Models: {', '.join(names) or 'none is kept'}.",
                )
            liked = () if models is None else models.liked(found.user_id, N_LIKED)
            by_model = models.of(model, found.user_id, N_ROWS) if models is not None and model else None
        rows = _published(found) if by_model is None else by_model.rows
        note = _note_of(found) if by_model is None else _note(by_model)
        return UserPage(found.user_id, found.run_id, found.personal, model, names, note, liked, rows)

    def item(self, text: str) -> SimilarItems:
        """Return an item, by its id, its title or a part of that, and what is similar to it.

        Raises:
            NoListsError: nothing has been published yet.
            UsageError: no item matches, or several do (the hint lists them).
        """
        with lists_of(self.home, self._settings) as target:
            return similar(target, _bounded(text), N_ROWS)

    def is_user(self, text: str) -> bool:
        """Return whether a user with this id has a personal list.

        Raises:
            NoListsError: nothing has been published yet.
        """
        try:
            with lists_of(self.home, self._settings) as target:
                return list_at_login(target, _bounded(text), 1).personal
        except UsageError:
            return False

    def _live_models(self) -> tuple[int, ModelLists | None]:
        """Return the live run and its models; None if they are not kept."""
        with lists_of(self.home, self._settings) as target:
            live = target.live_run() or 0
            if live in self._models:
                return live, self._models[live]
            try:
                live, found = models_of_live_run(self.home, target, self._settings)
            except UsageError:
                return live, None
        self._models = {live: found}  # those of the run before are given up
        return live, found


def _bounded(text: str) -> str:
    text = text.strip()
    if not text:
        raise UsageError("Nothing was asked for.", "Give a user's id, or an item's id or title.")
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"{text[:20]!r}… has {len(text):,} characters.", f"At most {MAX_TEXT} are looked up."
        )
    return text


def _published(found: ShownList) -> tuple[Listed, ...]:
    return tuple(
        Listed(
            row.rank, row.item.item_id, row.item.label, genres_of(row.item), row.model or "", row.because_of
        )
        for row in found.rows
    )


def genres_of(item: Item) -> tuple[str, ...]:
    """Return the genres of an item."""
    return tuple(item.genres.split("|")) if item.genres else ()


def _note_of(found: ShownList) -> str:
    return (
        "" if found.personal else "There is no list for this user; at login this user gets what is popular."
    )


def _note(found: ModelList) -> str:
    if not found.rows:
        return f"{found.model} does not know this user."
    if found.newest:
        return f"Made now by {found.model}, without pins, boosts and diversity."
    return (
        f"Made now by {found.model}, which did not make the published lists: fitted without the newest data, to be "
        "judged."
    )
