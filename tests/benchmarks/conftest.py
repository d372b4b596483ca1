"""Running a benchmark on small files."""

import sys

import pytest

from benchmarks.command import refuse_bad_input


@pytest.fixture
def benchmark(monkeypatch, tmp_path, capsys):
    """Run a benchmark on files with these texts; return its last line."""

    def run(main, *arguments, **texts):
        words = [main.__module__]
        for name, text in texts.items():
            path = tmp_path / name
            path.write_text(text)
            words += [f"--{name}", str(path)]
        monkeypatch.setattr(sys, "argv", [*words, *arguments])
        refuse_bad_input(main)
        return capsys.readouterr().out.splitlines()[-1]

    return run


@pytest.fixture
def refused(benchmark, capsys):
    """Run a benchmark that must refuse; return its exit code and its error output."""

    def refuse(main, *arguments, **texts):
        with pytest.raises(SystemExit) as ended:
            benchmark(main, *arguments, **texts)
        printed = capsys.readouterr()
        assert not printed.out
        return ended.value.code, printed.err

    return refuse
