"""The nightly flow: the DAG of `tasks/run/dag.py` with each stage as a Prefect task.

Two ways lead into it. `recs run` takes the lock and finds out whether anything is new before it begins its flow, so
that a night with nothing to do starts no server; it hands its night over in `_begun`. A deployment's worker has
parameters only, and the flow does all the rest. Either way the night goes on if Prefect fails.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.night_parameters import NightParameters
from flows.prefect_runtime import server
from flows.prefect_runtime.artifacts import name_flow_run, run_name, show_in_prefect
from flows.prefect_runtime.interruption import ending_at_once
from flows.prefect_runtime.logs import keep_terminal_quiet, sending_logs_to_prefect
from flows.prefect_runtime.old_runs import remove_old_runs
from flows.prefect_runtime.outage import prefect_failed, warn_of_prefect
from flows.prefect_runtime.runner import PrefectRunner
from flows.prefect_runtime.states import state_of_error, state_of_night, state_of_outcome
from tasks.config.settings import Settings
from tasks.engine.local import LOCAL
from tasks.errors import NightError
from tasks.monitoring.events import SilentWatcher
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import record_interruption, run_night

_START = "start", None
_WAITING_STAGES = 64
log = logging.getLogger(__name__)


class BegunNight:
    """A night that `recs run` has begun, and whose stages the flow runs: Prefect takes only plain parameters.

    Attributes:
        night: the night.
        on_begin: called when its flow begins.
        begun: whether its stages have begun.
        error: that ended its stages; None if none did.
    """

    def __init__(self, night: Night, on_begin: Callable[[], None]) -> None:
        self.night, self.on_begin = night, on_begin
        self.begun = False
        self.error: Exception | None = None

    def run(self) -> State[Any]:
        """Run the stages through Prefect and return the state of the flow. An error is kept in `error`."""
        self.begun = True
        self.on_begin()
        try:
            run_stages(self.night)
        except Exception as error:  # noqa: BLE001  (raised where Prefect has ended)
            self.error = error
        return state_of_night(self.night, self.error)


_begun: ContextVar[BegunNight | None] = ContextVar("begun", default=None)


def run_flow(night: Night, parameters: NightParameters | None = None) -> None:
    """Run the whole flow for a night that has begun, in this process; without Prefect if its API cannot be used.

    Args:
        night: the night.
        parameters: shown in Prefect's UI, where the run can be repeated with them; by default only its home.
    """
    night.watcher.started(*_START)
    started = time.perf_counter()
    with ending_at_once(partial(record_interruption, night)) as listen, ExitStack() as connection:
        if server.is_to_be_started(night.home.prefect):
            remove_old_runs(night.home.prefect / "prefect.db", night.settings.retention.nights)
        try:
            connection.enter_context(server.connected())
        except NightError as down:
            warn_of_prefect(down)
            night.watcher.finished(*_START, time.perf_counter() - started, "without Prefect")
            dag.nightly(night)
            return

        def on_begin() -> None:
            listen()
            night.watcher.finished(*_START, time.perf_counter() - started, server.in_words())

        _run_in_flow(BegunNight(night, on_begin), parameters or NightParameters(home=str(night.home.path)))


def _run_in_flow(work: BegunNight, parameters: NightParameters) -> None:
    """Run the stages of a night in a flow run; in this process if Prefect fails before they have begun."""
    keep_terminal_quiet()
    token = _begun.set(work)
    try:
        nightly(**vars(parameters), return_state=True)
    except Exception as fault:  # noqa: BLE001  (of Prefect's own: `work` keeps that of a stage)
        if not prefect_failed():
            warn_of_prefect(fault)
        if not work.begun:
            work.on_begin()
            dag.nightly(work.night)
    finally:
        _begun.reset(token)
    if work.error is not None:
        raise work.error


def _flow_run_name() -> str:
    """Return the name of the flow run in whose context this is called."""
    begun = _begun.get()
    if begun is not None:
        return run_name(begun.night.home.dataset, begun.night.record.run_id)
    given = flow_run.parameters
    dataset = given.get("name") or Path(given.get("dataset") or given.get("home") or "demo").name
    return run_name(dataset, int(datetime.now(UTC).strftime("%Y%m%d%H%M%S")))


@flow(name="nightly", flow_run_name=_flow_run_name, persist_result=False)
def nightly(
    dataset: str | None = None,
    home: str | None = None,
    name: str | None = None,
    models: str | None = None,
    as_of: str | None = None,
    config: str | None = None,
    settings: tuple[str, ...] = (),
    force: bool = False,
) -> State[Any]:
    """Run one night: read the data, fit and judge the models, publish a list for every user.

    Args:
        dataset: a built-in name such as demo, or a folder. Default: that of the home.
        home: the folder of this data set's nights. Default: data/NAME in the working directory.
        name: a name for a data set given as a folder.
        models: the models to judge, such as als,item_knn. Default: those of the settings.
        as_of: use only interactions before this date (UTC), such as 2026-01-31.
        config: a settings file. Default: pipeline.toml in the working directory, if there is one.
        settings: single settings, each of the form section.key=value.
        force: run and publish even if nothing is new.

    Returns:
        The state of the night: Completed, NothingNew, HeldBack, NotSwitched, Locked or Failed.
    """
    # A worker of Ray gets this function by value, so that it must name nothing that cannot be pickled.
    return _nightly(NightParameters(dataset, home, name, models, as_of, config, tuple(settings), force))


def _nightly(parameters: NightParameters) -> State[Any]:
    """Run the night that has begun, or else one from its parameters."""
    begun = _begun.get()
    with sending_logs_to_prefect():
        return _whole_night(parameters) if begun is None else begun.run()


def _whole_night(parameters: NightParameters) -> State[Any]:
    """Run a night from its parameters alone, in the process of a worker, and return its state."""

    def run_in_this_flow(night: Night) -> None:
        with ending_at_once(partial(record_interruption, night)) as listen:
            listen()
            run_stages(night)

    try:
        opened = parameters.open()
        for note in opened.notes:
            log.info(note)
        outcome = run_night(
            opened.home, opened.settings, run_in_this_flow, SilentWatcher(),
            as_of=opened.as_of, force=parameters.force,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001  (it becomes the state)
        return state_of_error(error)
    return state_of_outcome(outcome)


def run_stages(night: Night) -> None:
    """Run the DAG of the night as tasks of the flow run of this context, and show its results there."""
    with ExitStack() as opened:
        threads = opened.enter_context(ThreadPoolTaskRunner[Any](max_workers=_stages_at_once(night.settings)))
        runner = PrefectRunner(threads)
        night.runner = runner
        if night.engine is not LOCAL:
            from flows.prefect_runtime.ray_stages import submit_through_prefect  # noqa: PLC0415  (an extra)

            submit_through_prefect(night.engine, runner, opened)
        with runner.if_prefect_works() as works:
            if works:
                name_flow_run(night.home, night.record)
        error: Exception | None = None
        try:
            dag.nightly(night)
        except Exception as failure:
            error = failure
            raise
        finally:
            with runner.if_prefect_works() as works:
                if works:
                    show_in_prefect(night, error)


def _stages_at_once(settings: Settings) -> int:
    """Return how many stages may run beside each other; on Ray they wait for workers, each in a thread here."""
    return settings.run.parallel_fits if settings.engine.kind == "local" else _WAITING_STAGES
