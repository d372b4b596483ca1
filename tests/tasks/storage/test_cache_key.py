"""Fingerprints change when a result could, and only then."""

import subprocess
import sys

from tasks.config.settings import Settings, SplitSettings
from tasks.storage.cache_key import ROOT, _closure, fingerprint, source_hash


def test_the_order_of_keys_does_not_matter_but_every_value_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(SplitSettings()) != fingerprint(SplitSettings(min_users=501))
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_a_secret_is_not_part_of_what_is_hashed_in_clear() -> None:
    assert "hunter2" not in str(
        Settings(publish={"url": "postgresql://me:hunter2@db/x"}).model_dump(mode="json")
    )


def test_a_stage_depends_on_the_source_and_sql_it_runs_and_not_on_its_neighbours() -> None:
    files = {
        path.relative_to(ROOT).as_posix() for path in _closure(("tasks.preparation.interaction_matrices",))
    }
    assert {
        "tasks/preparation/interaction_matrices.py",
        "models/interactions.py",
        "tasks/storage/warehouse.py",
    } <= files
    assert any(name.startswith("sql/warehouse/features/") for name in files)
    assert not {"tasks/publication/publish.py", "models/factors/als.py", "tasks/config/settings.py"} & files


def test_a_model_does_not_depend_on_another_model() -> None:
    assert source_hash("models.factors.als") != source_hash("models.neighbours.item_knn")
    files = {path.name for path in _closure(("models.factors.als",))}
    assert "als.py" in files
    assert "base.py" in files
    assert "item_knn.py" not in files


def test_whose_source_is_hashed_is_not_imported() -> None:
    """A night with nothing new names all models, and shall not wait for what trains them."""
    hashed = "source_hash('models.factors.mf', 'models.graph.ngcf', 'models.linear.ease')"
    asked = f"import sys; from tasks.storage.cache_key import source_hash; {hashed}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, timeout=60, check=False).returncode == 0
