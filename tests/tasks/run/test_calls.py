"""How the night calls fits: in blocks only where the settings of Ray say so."""

from types import SimpleNamespace
from typing import Any

from models.factors.als import ALSConfig
from tasks.artifacts import Snapshot, WarmFit
from tasks.config.engine_settings import EngineSettings
from tasks.run import calls
from tasks.run.calls import fit_call

SNAPSHOT = Snapshot("s", None, 5, 4, 1, 1, 1, 1, 0)  # type: ignore[arg-type]


def arguments_of(name: str, engine: EngineSettings) -> dict[str, Any]:
    """Return the arguments of the night's fit of a model."""
    settings = SimpleNamespace(
        models=SimpleNamespace(config=lambda _: ALSConfig()), run=SimpleNamespace(seed=1), engine=engine
    )
    return fit_call(SimpleNamespace(settings=settings), SNAPSHOT, name).arguments()  # type: ignore[arg-type]


def test_fits_in_blocks_are_cold_and_say_why(monkeypatch) -> None:
    monkeypatch.setattr(calls, "warm_fit", lambda *_: WarmFit("earlier", "warm"))
    on_ray = EngineSettings(kind="ray", als_blocks=3)
    blocked, other = (arguments_of(name, on_ray) for name in ("als", "bpr"))
    assert (blocked["blocks"], blocked["warm_start"]) == (3, WarmFit(why="cold: in 3 blocks"))
    assert (other["blocks"], other["warm_start"].key) == (0, "earlier")
    assert arguments_of("als", EngineSettings(als_blocks=3))["blocks"] == 0
