"""The command `deploy`: a deployment of the nightly flow on the Prefect server that the environment names."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from flows.cli.options import Commands, ConfigOption, DatasetOption, SetOption, home_option
from flows.cli.schedule import calendar_events
from flows.terminal.console import out
from tasks.config.load import DEFAULT_FILE, load_settings, parse_model_names
from tasks.errors import UsageError
from tasks.storage.home import BUILT_IN

commands = Commands()

PREFECT_FOLDER = Path("data/prefect")
"""Prefect's files of this project, beside the homes: `make server` keeps its database there."""
POOL = "nightly-recs"
_SERVER_VARIABLES = ("PREFECT_API_URL", "PREFECT_PROFILE")
_LOCAL_TIME = Path("/etc/localtime")


@commands.command()
def deploy(
    cron: Annotated[
        str, typer.Option(metavar="CRON", help="Minute, hour, day, month, weekday.")
    ] = "0 2 * * *",
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Of the schedule, such as Europe/Berlin. Default: this machine's."),
    ] = None,
    dataset: DatasetOption = None,
    home: Annotated[Path | None, home_option(help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="As for recs run.")] = None,
    models: Annotated[str | None, typer.Option(metavar="NAMES", help="As for recs run.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    deployment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the deployment. Default: the data set's.")
    ] = None,
    pool: Annotated[
        str, typer.Option(metavar="NAME", help="The work pool, of type process; made if there is none.")
    ] = POOL,
) -> None:
    """Create or update a deployment of the night on a Prefect server, which then starts it on schedule.

    The server is the one of PREFECT_API_URL, or of the profile PREFECT_PROFILE; `make server` starts one on this
    machine. A worker on this machine runs the nights: `prefect worker start --pool nightly-recs`, or `make worker`. It
    hands its environment on to them, so secrets such as RECS_PUBLISH__URL are set for the worker, and are not sent to
    the server. At most one night of the deployment runs at a time; another one is cancelled.

    Exit codes: 0 done, 1 the server does not answer, 2 usage or settings, or no server is named.
    """
    calendar_events(cron)  # refuses what is no schedule
    zone = _zone(timezone)
    names = parse_model_names(models)
    shelf = (f"models.shelf={','.join(names)}",) if names else ()
    load_settings(config, (*(set_ or ()), *shelf))
    parameters = {
        "dataset": _dataset(dataset),
        "home": None if home is None else str(home.absolute()),
        "name": name,
        "models": models,
        "config": _config(config),
        "settings": list(set_ or ()),
    }
    if not any(os.environ.get(variable, "").strip() for variable in _SERVER_VARIABLES):
        raise UsageError(
            f"No Prefect server is named: neither {' nor '.join(_SERVER_VARIABLES)} is set.",
            "`make server` starts one on this machine; then: export PREFECT_API_URL=http://127.0.0.1:4200/api. "
            "Without a server, `recs schedule` prints what cron and systemd need.",
        )
    from flows.prefect_runtime.home import configure_prefect, import_prefect

    PREFECT_FOLDER.mkdir(parents=True, exist_ok=True)
    configure_prefect(PREFECT_FOLDER, debug=False)
    import_prefect()
    from flows.prefect_runtime.deployment import create_deployment

    title = deployment or name or Path(dataset or home or "demo").name
    created = create_deployment(
        title,
        pool=pool,
        cron=cron,
        timezone=zone,
        parameters={key: value for key, value in parameters.items() if value},
    )
    out.print(created, markup=False, soft_wrap=True)


def _zone(name: str | None) -> str:
    """Return the time zone of the schedule; this machine's if none is given, as for cron.

    Raises:
        UsageError: there is no such zone.
    """
    if name is None:
        linked = str(_LOCAL_TIME.resolve()).partition("zoneinfo/")[2]
        return os.environ.get("TZ", "").lstrip(":") or linked or "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"--timezone {name!r} is not a time zone.", "Name one such as Europe/Berlin or UTC."
        ) from None


def _dataset(dataset: str | None) -> str | None:
    """Return the data set as a worker finds it: a built-in name, or a folder in full.

    Raises:
        UsageError: it is neither.
    """
    if dataset is None or (dataset in BUILT_IN and not Path(dataset).is_dir()):
        return dataset
    if not Path(dataset).is_dir():
        raise UsageError(
            f"There is no data set {dataset!r}: neither a folder nor a known name.",
            f"Known names: {', '.join(BUILT_IN)}. Or give the path of a folder that holds ratings.csv.",
        )
    return str(Path(dataset).absolute())


def _config(config: Path | None) -> str | None:
    """Return the settings file in full; that of the current folder, if there is one, as `recs run` takes it."""
    if config is None and not DEFAULT_FILE.exists():
        return None
    return str((config or DEFAULT_FILE).absolute())
