"""The artifacts of a run that later commands find."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.artifacts import FittedModel
from tasks.reporting.run_artifacts import find_artifacts


@pytest.mark.parametrize("was_learned", [True, False])
def test_an_ensemble_of_too_few_users_is_no_fitted_model(tmp_path: Path, was_learned: bool) -> None:
    if was_learned:
        (tmp_path / "model.json").write_text("{}")
    fitted = FittedModel("k", tmp_path, "two_stage", 0.0, 0.0)
    store = SimpleNamespace(find=lambda stage, *_: fitted if stage == "fit" else None)
    run = SimpleNamespace(artifacts=["fit/k"])
    assert find_artifacts(store, run).fits == ({"two_stage": fitted} if was_learned else {})  # type: ignore[arg-type]
