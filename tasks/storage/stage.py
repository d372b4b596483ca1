"""Stages: functions that do one step of a night, declared where the work is done.

`@stage("utility")` on a function says all that a night needs to know of it. Its cache key is derived from the arguments
it is called with, so that key and arguments cannot drift apart: references (dataclasses with a `key`) count by their
key, everything else by its value. Some parameters are supplied by the night and are no part of the key:

    con       a cursor of the warehouse; then the key of the clean tables is part of the cache key
    target    the serving database
    progress  called as progress(done, total)
    key       of the artifact that is being made
    folder    where to write it, existing
    checkpoints  where to keep the state of a long stage, so that it goes on after a kill; may not exist
    engine    makes tables block by block, here or on other machines (tasks/engine/)

Called as a function, a stage is the plain function; `tasks/run/context.py` runs it as a part of a night.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, get_type_hints, runtime_checkable

from tasks.storage.cache_key import SOURCE, SourceTree, fingerprint, key_of_value, library_versions

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Arguments = Mapping[str, Any]
"""Parameter name → argument."""

SUPPLIED = ("con", "target", "progress", "key", "folder", "checkpoints", "engine")
"""Parameters that the night fills in."""


@runtime_checkable
class Promise(Protocol[R_co]):
    """The result of a stage that may still be running.

    Attributes:
        model: the name of the model that the stage is about; None if it is about none.
    """

    model: str | None

    def succeeded(self) -> bool:
        """Wait until the stage has ended; return whether it has a result."""

    def result(self) -> R_co:
        """Wait until the stage has ended; return its result or raise its error."""


@dataclass(frozen=True)
class Request:
    """The memory that a stage asks for where it runs on another machine: about its greatest size, in MB."""

    memory_mb: float


@dataclass(eq=False)
class Stage(Generic[P, R]):
    """A function together with what a night needs to know of it; see `stage` for the fields."""

    name: str
    function: Callable[P, R]
    stored: bool = True
    retried: bool = False
    model: Callable[[Arguments], str] | None = None
    note: Callable[[R], str] = lambda _: ""
    also_runs: Callable[[Arguments], tuple[str, ...]] = lambda _: ()
    request: Callable[[Arguments], Request | None] | None = None
    signature: inspect.Signature = field(init=False)

    def __post_init__(self) -> None:
        self.signature = inspect.signature(self.function)
        update_wrapper(self, self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    @property
    def address(self) -> str:
        """The name by which another process finds the stage, for `pkgutil.resolve_name`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def result_class(self) -> type[R]:
        """The class of the reference that the stage returns."""
        found: type[R] = get_type_hints(self.function)["return"]
        return found

    @property
    def supplied(self) -> set[str]:
        """The parameters of `SUPPLIED` that the function takes."""
        return {name for name in SUPPLIED if name in self.signature.parameters}

    def call(self, *args: Any, **kwargs: Any) -> Call[R]:
        """Return a call of this stage for a night to run: all arguments but the supplied ones, or promises of them.

        Raises:
            TypeError: as `bind`.
        """
        self.bind(*args, **kwargs)
        return Call(self, args, kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the arguments by the names of their parameters, defaults filled in, without the supplied ones.

        Raises:
            TypeError: an argument is missing, unknown, or one that the night supplies.
        """
        own = [p for name, p in self.signature.parameters.items() if name not in SUPPLIED]
        bound = inspect.Signature(own).bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def model_of(self, arguments: Arguments) -> str | None:
        """Return the name of the model that a call is about, if it is about one."""
        return None if self.model is None else self.model(arguments)

    def modules(self, arguments: Arguments) -> tuple[str, ...]:
        """Return the modules whose source, with all they import, decides the result."""
        return (self.function.__module__, *self.also_runs(arguments))

    def cache_key(self, arguments: Arguments, *, clean_key: str | None, source: SourceTree = SOURCE) -> str:
        """Return the key under which the result of a call is stored: 32 hex characters.

        Args:
            arguments: what `bind` returned.
            clean_key: the key of the clean tables; counts only if the function reads them through `con`.
            source: the source code that runs.
        """
        return fingerprint(
            self.name,
            self.function.__name__,
            key_of_value(arguments),
            clean_key if "con" in self.supplied else None,
            source.hash(*self.modules(arguments)),
            library_versions(),
        )


class Call(Generic[R]):
    """A stage with its arguments, some of which may be promises."""

    def __init__(self, stage: Stage[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.stage, self._args, self._kwargs = stage, args, kwargs

    @property
    def label(self) -> str:
        """Name of the call, such as `fit-als`; the stage alone if it is about no model."""
        return self.stage.name if self.model is None else f"{self.stage.name}-{self.model}"

    @property
    def model(self) -> str | None:
        """Name of the model that the call is about: of one that it waits for, that model's name, without waiting."""
        if self.awaited:
            return next((each.model for each in self.awaited if each.model is not None), None)
        return self.stage.model_of(self.arguments())

    @property
    def awaited(self) -> list[Promise[Any]]:
        """The promises among the arguments."""
        return [each for each in (*self._args, *self._kwargs.values()) if isinstance(each, Promise)]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name; waits for promises, and raises the error of one that failed."""
        args = [each.result() if isinstance(each, Promise) else each for each in self._args]
        kwargs = {
            name: each.result() if isinstance(each, Promise) else each for name, each in self._kwargs.items()
        }
        return self.stage.bind(*args, **kwargs)


def stage(
    name: str,
    *,
    stored: bool = True,
    retried: bool = False,
    model: Callable[[Arguments], str] | None = None,
    note: Callable[[Any], str] = lambda _: "",
    also_runs: Callable[[Arguments], tuple[str, ...]] = lambda _: (),
    request: Callable[[Arguments], Request | None] | None = None,
) -> Callable[[Callable[P, R]], Stage[P, R]]:
    """Declare a function to be a stage of the night.

    Args:
        name: what reports call it; also its folder in the artifact store. Several functions may share one.
        stored: keep the result and use it again while its cache key is the same. Such a function takes `key` and
            `folder` and returns a reference. Stages that are not stored run every night.
        retried: try again after an error that may pass, such as a database out of reach.
        model: the name of the model that a call is about, from its arguments.
        note: a few words on a result for whoever watches the night.
        also_runs: modules that a call runs beside the function's own, from its arguments.
        request: what a call asks for on another machine, from its arguments; None: it runs where the night runs.
    """

    def declare(function: Callable[P, R]) -> Stage[P, R]:
        return Stage(name, function, stored, retried, model, note, also_runs, request)

    return declare
