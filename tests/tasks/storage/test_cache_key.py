"""A cache key changes if and only if the result could."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.base import Config
from tasks.artifacts import WarmFit
from tasks.config.settings import Settings, SplitSettings
from tasks.storage.cache_key import ROOT, SOURCE, SourceTree, fingerprint, key_of_value, library_versions

UTILITY = "tasks.preparation.interaction_matrices"
ALS, EVALUATE = "models.factors.als", "tasks.evaluation.evaluate"


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    """A copy of our source."""
    for folder in ("flows", "tasks", "models", "sql"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_every_value_counts_and_the_order_of_keys_does_not() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(SplitSettings()) != fingerprint(SplitSettings(min_users=501))
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_a_secret_is_not_hashed_in_clear() -> None:
    assert "hunter2" not in str(
        Settings(publish={"url": "postgresql://me:hunter2@db/x"}).model_dump(mode="json")
    )


def test_references_count_by_key_and_configs_with_the_machine() -> None:
    @dataclass(frozen=True)
    class Reference:
        key: str
        seconds: float

    class OnGpu(Config):
        def machine_state(self) -> dict[str, str | int]:
            return {"device": "cuda"}

    assert key_of_value((Reference("k", 1.5),)) == ["k"]
    assert key_of_value([WarmFit("k", "why"), WarmFit("k", "reason")]) == ["k", "k"]
    assert key_of_value(WarmFit("k", effort=2)) != "k"
    assert fingerprint(key_of_value(OnGpu())) != fingerprint(key_of_value(Config()))


def test_a_stage_depends_on_its_source_and_sql_not_on_others() -> None:
    files = SOURCE.files(UTILITY)
    assert {
        "tasks/preparation/interaction_matrices.py", "tasks/preparation/__init__.py", "tasks/__init__.py",
        "models/interactions.py", "tasks/storage/warehouse.py", "sql/warehouse/features/composite.sql",
    } <= files  # fmt: skip
    assert not {"tasks/publication/publish.py", "models/factors/als.py", "tasks/config/settings.py"} & files


def test_a_model_does_not_depend_on_another_model() -> None:
    files = SOURCE.files(ALS)
    assert "models/factors/als.py" in files
    assert "models/neighbours/item_knn.py" not in files
    assert "tasks/monitoring/memory.py" not in SOURCE.files("tasks.training.fit")


def test_evaluations_do_not_run_the_content_model() -> None:
    assert "models/content/profiles.py" not in SOURCE.files(EVALUATE)


def append(path: str, text: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        with (root / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def rewrite(path: str, before: str, after: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert before in text
        (root / path).write_text(text.replace(before, after), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "changed", "same"),
    [
        (append("models/factors/als.py", "# edited\n"), ALS, UTILITY),
        (append("models/base.py", "# edited\n"), ALS, "tasks.ingestion.land"),
        (append("models/factors/__init__.py", "# edited\n"), ALS, "models.linear.ease"),
        (append("models/__init__.py", "# edited\n"), UTILITY, "tasks.ingestion.read_errors"),
        (append("sql/warehouse/features/composite.sql", "-- edited\n"), UTILITY, ALS),
        (append("tasks/monitoring/memory.py", "# edited\n"), None, "tasks.training.fit"),
        (append("tasks/storage/artifact_store.py", "# edited\n"), None, UTILITY),
        (append("sql/serving/login.sql", "-- edited\n"), "tasks.publication.queries", UTILITY),
    ],
)
def test_an_edit_changes_the_right_hashes(copied_tree, edit, changed, same) -> None:
    before = SourceTree(copied_tree)
    edit(copied_tree)
    after = SourceTree(copied_tree)
    if changed is not None:
        assert after.hash(changed) != before.hash(changed)
    assert after.hash(same) == before.hash(same)


def test_a_relative_import_is_followed(copied_tree: Path) -> None:
    rewrite("models/factors/als.py", "from models.base import", "from ..base import")(copied_tree)
    append("models/factors/als.py", "from . import bpr_kernels\n")(copied_tree)
    assert {"models/base.py", "models/factors/bpr_kernels.py"} <= SourceTree(copied_tree).files(ALS)


def test_sql_named_by_an_f_string_is_followed(copied_tree: Path) -> None:
    append("models/factors/als.py", "def name(x): return f'warehouse/clean/type_{x}.sql'\n")(copied_tree)
    files = SourceTree(copied_tree).files(ALS)
    assert {"sql/warehouse/clean/type_ratings.sql", "sql/warehouse/clean/type_tags.sql"} <= files
    assert "sql/warehouse/clean/quarantine.sql" not in files


def test_a_tree_that_was_edited_is_never_current_again(copied_tree: Path) -> None:
    tree = SourceTree(copied_tree)
    assert tree.is_current()
    file = copied_tree / "models/factors/als.py"
    before = file.read_bytes()
    file.unlink()
    assert not tree.is_current()
    file.write_bytes(before)
    assert not tree.is_current(), "code that was imported meanwhile is still loaded"
    assert SourceTree(copied_tree).is_current()


def test_files_that_nobody_touched_are_not_read_again(
    copied_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = SourceTree(copied_tree)
    (copied_tree / "models/factors/als.py").touch()
    read: list[Path] = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or path.open("rb").read())
    assert tree.is_current()
    assert tree.is_current()
    assert read == [copied_tree / "models/factors/als.py"]


def test_touched_files_are_compared_by_their_bytes(copied_tree: Path) -> None:
    tree = SourceTree(copied_tree)
    file = copied_tree / "models/factors/als.py"
    file.touch()
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    assert tree.is_current(), "touched, but not edited"
    text = file.read_bytes()
    file.write_bytes(text.replace(b"self", b"sell", 1))
    os.utime(file, ns=times)
    assert not tree.is_current(), "as long and as old as before"


def test_the_hash_is_of_the_source_at_the_start(copied_tree: Path) -> None:
    tree = SourceTree(copied_tree)
    at_start = tree.hash(ALS)
    append("models/factors/als.py", "# deployed\n")(copied_tree)
    assert SourceTree(copied_tree).hash(ALS) != at_start
    assert tree.hash(UTILITY, ALS) == SOURCE.hash(UTILITY, ALS)


def test_hashing_imports_nothing() -> None:
    """A night with nothing new hashes all models, and must not wait for torch."""
    hashed = "SOURCE.hash('models.factors.mf', 'models.graph.ngcf', 'models.linear.ease')"
    asked = (
        f"import sys; from tasks.storage.cache_key import SOURCE; {hashed}; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("package", ["flows", "tasks"])
def test_the_source_is_read_before_other_modules_load(package: str) -> None:
    """A module that was loaded before could be older than what is hashed."""
    ours = "[m for m in sys.modules if m.split('.')[0] in ('flows', 'tasks', 'models')]"
    asked = f"import sys, {package}; print(*{ours})"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, timeout=60, check=True, capture_output=True, text=True
    ).stdout.split()
    if package == "flows":
        assert loaded[-2:] == ["flows.numba_cache", "flows"], "after the source was read"
        del loaded[-2:]
        loaded.remove("models")  # nothing but a docstring
    assert {*loaded} == {"tasks", "tasks.storage", "tasks.storage.cache_key"}


def test_every_sql_file_is_named_by_some_module() -> None:
    """SQL that is named in another way than by a constant or an f-string would not be part of any key."""
    modules = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for package in ("flows", "tasks")
        for path in (ROOT / package).rglob("*.py")
    ]
    named = {path for module in modules for path in SOURCE.files(module)}
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sql").rglob("*.sql")}
    assert {path for path in there - named if not path.startswith("sql/cookbook/")} == set()


def test_defaults_of_settings_and_python_itself_count() -> None:
    class One(Config):
        n: int = 1

    class Two(Config):
        n: int = 2

    assert fingerprint(One()) != fingerprint(Two())
    assert {"python", "numpy", "duckdb"} <= library_versions().keys()
