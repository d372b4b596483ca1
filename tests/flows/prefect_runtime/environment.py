"""Environments for tests of Prefect's settings: without the PREFECT_ variables that other tests have set."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[3]


def without_prefect(**others: str) -> dict[str, str]:
    """Return this process's environment without PREFECT_ variables and with `others`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | others
