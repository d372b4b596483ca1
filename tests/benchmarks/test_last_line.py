"""Last lines of benchmarks: written and read."""

from benchmarks.last_line import from_text, to_line


def test_figures_survive_writing_and_reading():
    figures = {"total_s": 3.0, "peak_mb": 812.4, "ratio": 1.256, "rows": 1200}
    line = to_line(figures)
    assert line == "total_s=3.00 peak_mb=812 ratio=1.26 rows=1200"
    assert from_text(f"a table\n\n{line}\n") == {"total_s": 3, "peak_mb": 812, "ratio": 1.26, "rows": 1200}


def test_words_without_numbers_are_left_out():
    printed = "x=1\nshare=0.5 kind=sqlite mrr=nan low=-1.5e-3 done"
    assert from_text(printed) == {"share": 0.5, "low": -0.0015}
    assert from_text("") == {}
