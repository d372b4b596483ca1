"""The verdicts on the cases' output, and the environment in which they run. No night is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cases
from benchmarks.case_verdicts import VERDICTS, Verdict
from benchmarks.command import refuse_bad_input

PRINTED = """\
-- one
Error: a.csv has no header.
[exit 2] recs run
-- two
Run 1 is live.
30|30
see refleaks.html[exit 0] recs run
"""


@pytest.mark.parametrize(
    ("right", "why"),
    [
        (Verdict("", "2 0", (r"^Error: .* header", r"is live\.$", r"^(\d+)\|\1$")), ""),
        (Verdict("", "2 1"), "exit codes 2 0, expected 2 1"),
        (Verdict("", "2 0 0"), "exit codes 2 0, expected 2 0 0"),
        (Verdict("", "2 0", (r"Warning",)), "missing: Warning"),
        (
            Verdict("", "2 0", (r"is live", r"^Error")),
            "missing after what precedes it: ^Error",
        ),
        (Verdict("", "2 0", (), (r"no header",)), "must not be there: Error: a.csv has no header."),
    ],
)
def test_output_is_compared_with_what_is_right(right: Verdict, why: str) -> None:
    assert cases.judge(right, PRINTED) == cases.Judged("✗" if why else "✓", why)


def test_a_traceback_is_never_right() -> None:
    printed = "Traceback (most recent call last):\n[exit 1]\n"
    assert cases.judge(Verdict("", "1"), printed).mark == "✗"


def test_a_killed_case_is_wrong() -> None:
    assert cases.judge(Verdict("", "0"), "[exit 0] recs run\nkilled after 600 s\n").mark == "✗"


def test_every_verdict_can_be_judged() -> None:
    for name, right in VERDICTS.items():
        assert right.sentence, name
        assert bool(right.exits) != bool(right.left), name
        for pattern in (*right.must, *right.must_not):
            re.compile(pattern, re.MULTILINE)


def test_the_command_runs_this_code_in_any_environment(tmp_path: Path) -> None:
    given = {"RECS_HOME": "mine", "no_proxy": "x", "HTTPS_PROXY": "y", "PREFECT_API_URL": "z", "LANG": "C"}
    made = cases.environment(tmp_path, given)
    assert made.keys() == {"LANG", "RECS", "ROOT", "PY", "PYTHONPATH", "TMPDIR"}
    (tmp_path / "other" / "models").mkdir(parents=True)
    (tmp_path / "other" / "models" / "__init__.py").write_text("raise RuntimeError('another project')")
    for variables in ({}, {"PYTHONPATH": str(tmp_path / "other")}):
        done = subprocess.run(
            [sys.executable, "-OO", made["RECS"], "--help"],
            cwd=tmp_path, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert str(cases.ROOT) in Path(made["RECS"]).read_text(encoding="utf-8")


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, prints in {
            "14-float-ids": "[exit 1]",
            "28-negative-ids": "User -1 liked",
            "99-new": "x",
        }.items():
            (tmp_path / "cases" / name).mkdir(parents=True)
            (tmp_path / "cases" / name / "run.sh").write_text(
                f"echo '{prints}'; echo '{prints}'; echo '[exit 0]'"
            )
        return tmp_path / "cases"

    @pytest.fixture
    def printed(self, monkeypatch, capsys):
        def run(*arguments: object) -> tuple[int, str]:
            monkeypatch.setattr(sys, "argv", ["cases", *map(str, arguments)])
            code = 0
            try:
                refuse_bad_input(cases.main)
            except SystemExit as end:
                code = end.code
            both = capsys.readouterr()
            return code, both.out + both.err

        return run

    def test_each_case_has_a_line_and_any_wrong_one_exits_1(self, printed, folder: Path) -> None:
        code, text = printed("--folder", folder, "--save", folder / "kept")
        assert code == 1
        assert re.search(
            r"^✗ 14-float-ids .* 17\.0 .*\n    exit codes 1 1 0, expected 0$", text, re.MULTILINE
        )
        assert "– 99-new" in text
        assert "0 of 2 right; 1 not judged" in text
        assert printed("--folder", folder, "--from", folder / "kept")[0] == 1

    def test_outputs_are_judged_without_a_run(self, printed, folder: Path) -> None:
        (folder / "28-negative-ids.txt").write_text("User -1 liked\n[exit 0]\nUser -1 liked\n[exit 0]\n")
        code, text = printed("--folder", folder, "--from", folder, "--only", "28-negative-ids", "--verbose")
        assert code == 0
        assert text.startswith("User -1 liked\n")
        assert text.endswith("1 of 1 right\n")

    def test_an_unknown_case_is_refused_with_the_names(self, printed, folder: Path) -> None:
        code, text = printed("--folder", folder, "--only", "14")
        assert code == 2
        assert "There is no case '14'" in text
        assert "14-float-ids" in text

    def test_an_absent_folder_is_said(self, printed, tmp_path: Path) -> None:
        assert printed("--folder", tmp_path / "none") == (
            0,
            f"The cases were left out: {tmp_path / 'none'} does not exist. Give their folder as --folder.\n",
        )

    def test_a_case_is_killed_at_its_limit(self, folder: Path) -> None:
        (folder / "28-negative-ids" / "run.sh").write_text("echo begun; sleep 60")
        text = cases.run(folder / "28-negative-ids" / "run.sh", 1)
        assert text == "begun\n\nkilled after 1 s\n"
