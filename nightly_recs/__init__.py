"""The command `recs`, and the interface for notebooks: `import nightly_recs as nr`.

    data = nr.Interactions.from_frame(frame, user="customer", item="sku", rating="stars", time="at")
    training, later = data.split()
    nr.compare([nr.fit("popularity", training), nr.fit("als", training, factors=64)], later)

    home = nr.open_home("data/demo")
    home.judge("als", factors=32)

What notebooks use is imported when it is first asked for: it imports pandas, which no night needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nightly_recs.command import main, naming_hiding_modules
from nightly_recs.import_path import use_own_packages

with naming_hiding_modules():
    use_own_packages()  # before anything of flows, tasks or models is imported

if TYPE_CHECKING:
    from nightly_recs.comparison import compare
    from nightly_recs.fitted import FittedModel, fit
    from nightly_recs.home import Home, open_home
    from nightly_recs.interactions import Interactions

_PLACES = {
    "FittedModel": "fitted",
    "Home": "home",
    "Interactions": "interactions",
    "compare": "comparison",
    "fit": "fitted",
    "open_home": "home",
}
"""Name → the module that has it."""

__all__ = ["FittedModel", "Home", "Interactions", "compare", "fit", "main", "open_home"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
