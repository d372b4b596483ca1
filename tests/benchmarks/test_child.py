"""Benchmarks in processes of their own: figures, errors, and a limit of time."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks import child


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that makes a module of this text and returns its name."""
    monkeypatch.setattr(child, "ROOT", tmp_path)

    def make(text: str) -> str:
        (tmp_path / "made_benchmark.py").write_text(text)
        return "made_benchmark"

    return make


def test_figures_of_the_last_line_are_kept(module):
    found = child.measure(module("import sys\nprint('x')\nprint('a_s=' + sys.argv[1])"), ["2.5"], limit_s=60)
    assert found.figures == {"a_s": 2.5}
    assert found.error == ""
    assert found.command == "python -m made_benchmark 2.5"
    assert 0 < found.wall_s < 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nprint('a_s=1')\nsys.exit('it broke')", "exit code 1: a_s=1\nit broke"),
        ("print('done')", "exit code 0: done"),
    ],
)
def test_a_benchmark_without_figures_says_why(module, text, said):
    found = child.measure(module(text), [], limit_s=60)
    assert (found.figures, found.error) == ({}, said)


def test_a_benchmark_that_takes_too_long_dies_with_its_children(module, tmp_path):
    alive = tmp_path / "alive"
    text = f"""
import subprocess, sys, time
grandchild = "import time, pathlib\\nwhile True: time.sleep(.1); pathlib.Path({str(alive)!r}).touch()"
subprocess.Popen([sys.executable, "-c", grandchild])
print("started", flush=True)
time.sleep(60)
"""
    found = child.measure(module(text), [], limit_s=1.5)
    assert found.error.startswith("killed after 2 s: started")
    assert found.wall_s < 30
    alive.unlink(missing_ok=True)
    time.sleep(0.5)
    assert not alive.exists(), "the child of the killed process still works"


@pytest.mark.parametrize(("grace_s", "said"), [(30.0, "told to end"), (0.3, "started")])
def test_processes_are_asked_to_end_before_they_are_killed(module, monkeypatch, grace_s, said):
    monkeypatch.setattr(child, "GRACE_S", grace_s)
    text = """
import signal, sys, time
def end(*_):
    time.sleep(1)
    print("told to end", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("started", flush=True)
time.sleep(60)
"""
    found = child.measure(module(text), [], limit_s=1)
    assert found.error.startswith("killed after 1 s: ")
    assert found.error.endswith(said)


def test_temporary_files_of_a_killed_benchmark_are_removed(module, tmp_path):
    text = f"""
import pathlib, tempfile, time
folder = tempfile.mkdtemp()
pathlib.Path({str(tmp_path)!r}, "where").write_text(folder)
time.sleep(60)
"""
    assert "nothing printed" in child.measure(module(text), [], limit_s=1).error
    assert not Path((tmp_path / "where").read_text()).exists()


def test_modules_run_with_this_python(module):
    found = child.measure(module("import sys\nprint(f'v={sys.version_info[1]}')"), [], limit_s=60)
    assert found.figures == {"v": sys.version_info[1]}
