"""The page docs/benchmarks.md: tables from the JSON, as pure functions, and up to date."""

import pytest

from benchmarks.collect import PAGE
from benchmarks.results import RESULTS, read_results, write_section
from benchmarks.tables import growth_text, machine_text, one_line, peers_text, section_text, table, updated
from tasks.errors import NightError

MACHINE = {
    "began": "2026-11-30 10:00 UTC",
    "processor": "Some CPU",
    "cores": 2,
    "memory_gb": 23.5,
    "load": 0.1,
    "system": "Linux",
    "python": "3.11.2",
    "packages": {"numpy": "2.0"},
    "commit": "abc1234",
}
MOMENT = {"began": MACHINE["began"], "commit": "abc1234", "load": 0.1}


def measured(error="", moment=MOMENT, **figures):
    return {
        "command": "python -m x",
        "figures": figures,
        "wall_s": 1.0,
        "error": error,
    } | moment


def section(**measurements):
    return {"machine": MACHINE, "measurements": measurements}


def row(text, what):
    """Return the cells of the first row about `what`."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {what}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


# -- budgets ----------------------------------------------------------------------------------------------


def test_kept_and_missed_budgets_are_said():
    ours = section(landing=measured(ratio=16.0), night=measured(total_s=400, peak_mb=8000, utility_s=61.5))
    text = section_text(ours, "make bench-full", is_full=True)
    assert row(text, "landing") == [
        "landing and cleaning, by the bare count of the same files",
        "at most 5 ×",
        "16 ×",
        "**missed**, by 3.2 ×",
    ]
    assert row(text, "night with popularity")[1:] == ["at most 480 s", "400 s", "kept"]
    assert row(text, "splits")[2:] == ["61.5 s", "**missed**, by 1.02 ×"]
    assert "Kept: 2 of 16; missed: 2; not judged: 0; not measured: 12." in text


def test_rates_must_be_at_least_their_budget():
    text = section_text(
        section(publication_sqlite=measured(with_keys_per_s=241_500)), "make bench-full", is_full=True
    )
    assert row(text, "publication to SQLite")[1:] == [
        "at least 483,000 rows/s",
        "241,500 rows/s",
        "**missed**, by 2 ×",
    ]


def test_a_small_run_judges_ratios_only():
    ours = section(landing=measured(ratio=4.0), night=measured(total_s=900, peak_mb=100, utility_s=1))
    text = section_text(ours, "make bench", is_full=False)
    assert row(text, "landing")[3] == "kept"
    assert row(text, "night with popularity")[2:] == ["900 s", "not judged: a smaller size"]


def test_what_failed_is_named_with_its_error():
    text = section_text(section(landing=measured("killed after 9 s: a\n  b")), "make bench", is_full=False)
    what = "landing and cleaning, by the bare count of the same files"
    assert f"- Not measured ({what}): killed after 9 s: a b." in text
    assert text.count("not part of this run.") == 1
    assert row(text, "landing")[2:] == ["", "not measured"]


def test_figures_of_an_earlier_run_are_named():
    earlier = MOMENT | {"began": "2026-11-29 09:00 UTC", "commit": "old"}
    text = section_text(section(landing=measured(ratio=4.0, moment=earlier)), "make bench", is_full=False)
    assert "- `landing` was measured earlier: 2026-11-29 09:00 UTC, commit old, load 0.1." in text


def test_without_a_run_the_command_is_named():
    assert section_text(None, "make bench-full", is_full=True) == "Not measured yet: `make bench-full`."


@pytest.mark.parametrize(("load", "is_warned"), [(0.5, False), (0.51, True)])
def test_a_busy_machine_is_said(load, is_warned):
    text = machine_text(MACHINE | {"load": load})
    assert ("Other programs were running" in text) == is_warned
    assert "Some CPU, 2 cores, 23.5 GB" in text


# -- growth, peers ----------------------------------------------------------------------------------------


def test_growth_shows_figures_exponents_and_what_is_above_linear():
    points = [
        {
            "ratings": 1_000_000,
            "stages": {"land": {"s": 2, "mb": 300}, "score": {"s": 1, "mb": 200}},
            "errors": {},
        },
        {
            "ratings": 4_000_000,
            "stages": {"land": {"s": 8, "mb": 300}, "score": {"s": 8, "mb": 200}},
            "errors": {"night": "it\nbroke"},
        },
        {"ratings": 16_000_000, "stages": {"score": {"s": 64, "mb": 200}}, "errors": {}},
    ]
    text = growth_text({"machine": MACHINE, "points": points}, "x")
    assert row(text, "`land`") == ["`land`", "2.0", "8.0", "", "1.00"]
    assert row(text, "`score`") == ["`score`", "1.0", "8.0", "64.0", "**1.50**"]
    assert "| stage | 1 M | 4 M | 16 M | exponent |" in text
    assert "- Above linear in time: `score`, 1.50. Its arithmetic has 1.5: every user" in text
    assert "- 4,000,000 ratings, night: it broke" in text


def test_without_a_stage_above_linear_that_is_said():
    points = [{"ratings": n, "stages": {"land": {"s": n, "mb": 9}}, "errors": {}} for n in (1, 2)]
    text = growth_text({"machine": MACHINE, "points": points}, "x")
    assert "No stage is above linear." in text
    assert "Not measured" not in text
    assert growth_text(None, "make x") == "Not measured yet: `make x`."


def test_peers_are_shown_as_they_are_given():
    peers = {
        "machine": MACHINE,
        "columns": ["library", "s"],
        "rows": [["a|b", 1.5], ["c", None]],
        "notes": ["Pinned."],
    }
    text = peers_text(peers)
    assert text.endswith("| library | s |\n| --- | --- |\n| a\\|b | 1.5 |\n| c |  |\n\n- Pinned.")
    assert table(["x"], []) == "| x |\n| --- |"


# -- the page and the file --------------------------------------------------------------------------------


def test_the_page_agrees_with_the_json():
    page = PAGE.read_text(encoding="utf-8")
    assert page == updated(page, read_results(RESULTS)), "run: python -m benchmarks.collect --write"


def test_text_outside_the_comments_stays():
    page = PAGE.read_text(encoding="utf-8")
    other = updated(page, {"bench": section(landing=measured(ratio=4.0))})
    assert other != page
    assert updated(other, read_results(RESULTS)) == page


def test_a_page_without_a_place_for_a_table_is_refused():
    with pytest.raises(ValueError, match="needs the comments `generated: budgets`"):
        updated("# Benchmarks", {})


def test_a_section_replaces_only_itself(tmp_path):
    file = tmp_path / "docs" / "results.json"
    write_section(file, "peers", {"rows": []})
    write_section(file, "bench", {"a": 1})
    write_section(file, "bench", {"a": 2})
    assert list(read_results(file).items()) == [("bench", {"a": 2}), ("peers", {"rows": []})]


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(NightError, match="is damaged"):
        read_results(tmp_path / "x.json")
    assert read_results(tmp_path / "none.json") == {}


def test_long_errors_keep_their_end():
    assert one_line("a\n b") == "a b"
    assert one_line("x" * 300 + "end").endswith("xend")
    assert len(one_line("x" * 300)) == 200
