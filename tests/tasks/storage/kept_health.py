"""A home whose health is known."""

from __future__ import annotations

from tasks.storage.health import Health, changing_health
from tasks.storage.home import Home


def write_health(home: Home, health: Health) -> None:
    """Replace the health of a home."""
    with changing_health(home.path) as found:
        vars(found).update(vars(health))
