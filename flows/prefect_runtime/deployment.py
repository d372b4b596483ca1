"""A deployment of the nightly flow: a schedule on a Prefect server, and a pool whose workers run it in processes.

A process work pool rather than `flow.serve`: the schedule stays when the worker restarts, one worker runs the
deployments of several homes, and `prefect worker start` is what operators of Prefect know.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from prefect.types.entrypoint import EntrypointType
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from flows.nightly import nightly
from flows.prefect_runtime.api import no_proxy_for, require_api
from flows.prefect_runtime.artifacts import PROJECT_TAG
from nightly_recs.import_path import ROOT
from tasks.errors import UsageError

_TYPE = "process"
log = logging.getLogger(__name__)


def create_deployment(name: str, *, pool: str, cron: str, timezone: str, parameters: dict[str, Any]) -> str:
    """Create a deployment of the nightly flow, or update the one of that name; return what to do next.

    Args:
        name: of the deployment.
        pool: the name of its work pool, which is made if there is none.
        cron: its schedule, five fields.
        timezone: of the schedule.
        parameters: of the flow.

    Raises:
        UsageError: no server is configured, or the pool is of another type.
        NightError: the server does not answer.
    """
    api = PREFECT_API_URL.value()
    if not api:
        raise UsageError(
            "The profile that PREFECT_PROFILE names has no address of a Prefect server.",
            "Set PREFECT_API_URL, or in that profile: prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    with no_proxy_for(api), redirect_stdout(io.StringIO()):  # Prefect prints a table, and raises what fails
        require_api()
        _require_process_pool(pool)
        made = nightly.deploy(
            name,
            work_pool_name=pool,
            build=False,
            push=False,
            schedule=Cron(cron, timezone=timezone),
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
            ),
            parameters=parameters,
            tags=[PROJECT_TAG],
            job_variables={"working_dir": str(Path.cwd()), "env": _import_path()},
            entrypoint_type=EntrypointType.MODULE_PATH,
            print_next_steps=False,
            ignore_warnings=True,
        )
    page = f" See {PREFECT_UI_URL.value()}/deployments/deployment/{made}." if PREFECT_UI_URL.value() else ""
    return (
        f"The deployment {nightly.name}/{name} runs at {cron} ({timezone}).{page}\n"
        f"A worker on this machine runs it: prefect worker start --pool {pool}\n"
        f"Now, once: prefect deployment run {nightly.name}/{name}"
    )


def _import_path() -> dict[str, str]:
    """Return what a worker's process needs to find `flows`: in an installed wheel it is not on the import path."""
    others = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys((str(ROOT), *others)))}


def _require_process_pool(name: str) -> None:
    """Make the work pool unless it exists.

    Raises:
        UsageError: it exists and is of another type, whose workers have no access to the files of this machine.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(name)
        except ObjectNotFound:
            template = asyncio.run(get_default_base_job_template_for_infrastructure_type(_TYPE))
            _make(client, WorkPoolCreate(name=name, type=_TYPE, base_job_template=template or {}))
            return
    if found.type != _TYPE:
        raise UsageError(
            f"The work pool {name!r} is of type {found.type}, but nights need type {_TYPE}: they use files of this "
            "machine.",
            "Name another pool with --pool; one that does not exist is made.",
        )


def _make(client: Any, pool: WorkPoolCreate) -> None:
    try:
        client.create_work_pool(pool)
    except ObjectAlreadyExists:
        log.debug("Another process has made the work pool %s.", pool.name)
