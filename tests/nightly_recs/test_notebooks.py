"""The notebooks of the docs run from top to bottom."""

import json
from pathlib import Path

import pytest

from tasks.storage.home import Home

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


def executed(name: str) -> dict:
    """Run the code of a notebook's cells in one namespace, as a kernel would; return the namespace."""
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), names)
    return names


def test_a_csv_becomes_a_comparison() -> None:
    table = executed("csv-to-comparison")["table"]
    assert len(table) == 4
    assert table.index[0] != "popularity"
    assert table["users"].iloc[0] > 50


def test_an_own_model_is_judged(judged_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_HOME", str(judged_home.path))
    table = executed("own-model")["table"]
    assert table.index[0] == "together (tried)"
    assert table["lead"].notna().sum() == len(table) - 1


@pytest.mark.parametrize("name", ["csv-to-comparison", "own-model"])
def test_notebooks_are_kept_with_their_output(name: str) -> None:
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any(cell["outputs"] for cell in code)
