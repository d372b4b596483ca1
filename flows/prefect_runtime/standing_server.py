"""A Prefect server that stays, with its UI, on this machine: python -m flows.prefect_runtime.standing_server [PORT].

`make server` starts it. Its files lie in PREFECT_HOME, by default `data/prefect`. `prefect server start` of this
environment cannot schedule: Prefect 3.8 inserts scheduled runs in a way that SQLAlchemy 2.1, which the serving
databases need, refuses ("Can't evaluate bulk DML statement"). A server in an environment of its own with SQLAlchemy 2.0
has no such trouble.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from flows.prefect_runtime.empty_database import write_empty_database

FOLDER = Path("data/prefect")
HOST, PORT = "127.0.0.1", 4200


def main(arguments: list[str]) -> None:
    """Run the server until it is ended."""
    port = int(arguments[0]) if arguments else PORT
    folder = Path(os.environ.setdefault("PREFECT_HOME", str(FOLDER.absolute())))
    folder.mkdir(parents=True, exist_ok=True)
    write_empty_database(folder / "prefect.db")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # To the server itself: another one's address in the environment would make it a client of that one
    os.environ |= {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT__SERVER_FINAL": "1",
    }
    import uvicorn  # noqa: PLC0415  (after its environment)
    from prefect.server.api.server import create_app  # noqa: PLC0415

    let_scheduled_runs_be_inserted()
    sys.stdout.write(
        f"Prefect's UI: http://{HOST}:{port}   for nights: export PREFECT_API_URL=http://{HOST}:{port}/api\n"
    )
    sys.stdout.flush()
    uvicorn.run(create_app(final=True), host=HOST, port=port, log_level="warning")


def let_scheduled_runs_be_inserted() -> None:
    """Let SQLAlchemy 2.1 leave the state out of rows of new runs, as 2.0 does; Prefect inserts it after them."""
    from prefect.server.database import orm_models  # noqa: PLC0415

    for table in (orm_models.FlowRun, orm_models.TaskRun):
        hybrid: Any = vars(table)["state"]
        if getattr(hybrid, "bulk_dml_setter", None) is None:
            hybrid.bulk_dml_setter = _leave_out_state


def _leave_out_state(table: type, mapping: MutableMapping[str, Any], value: object) -> None:  # noqa: ARG001
    mapping.pop("state", None)


if __name__ == "__main__":
    main(sys.argv[1:])
