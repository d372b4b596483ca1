"""Generate or download the named data set of a home."""

from __future__ import annotations

from tasks.datasets.movielens import fetch
from tasks.datasets.synthetic.generate import generate_demo
from tasks.monitoring.events import Watcher, watched
from tasks.storage.home import BUILT_IN, Home


def prepare(home: Home, watcher: Watcher) -> None:
    """Fill `raw/` of a home with its named data set, once. A folder of the user's own is read in place.

    Args:
        home: the home.
        watcher: receives start, progress, failure and end.
    """
    raw = home.path / "raw"
    if home.dataset not in BUILT_IN or home.input != raw or any(raw.glob("ratings*")):
        return
    stage = "generate" if home.dataset == "demo" else "fetch"

    def progress(done: int, total: int) -> None:
        watcher.advanced(stage, None, done, total)

    with watched(watcher, stage) as timing:
        if home.dataset == "demo":
            generate_demo(raw, progress=progress)
        else:
            fetch(home.dataset, raw, progress=progress)
        timing.note = f"{home.dataset} → {raw}"
