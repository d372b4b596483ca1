"""Run the failing inputs of ../shared/cases with this checkout's code, and judge what each of them prints.

python -m benchmarks.cases [--only 14-float-ids,13-other-suffixes] [--folder ../shared/cases] [--verbose]
python -m benchmarks.cases --save FOLDER      (keeps what each case prints; --from FOLDER judges it without running)

Each case is a script `run.sh` that makes a small input and runs nights on it, one case after the other, in temporary
folders. All of them take about an hour on two cores. Exits 1 if any verdict is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case_verdicts import VERDICTS, Verdict
from benchmarks.command import refuse_bad_input
from tasks.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT.parent / "shared" / "cases"
LIMIT_S = 1200
COMMAND = """\
#!{python}
import os, sys
given = os.environ.get("PYTHONPATH")
sys.path.insert(1 + len(given.split(os.pathsep)) if given else 1, {root!r})
from nightly_recs import main
main()
"""
"""The command `recs` of this checkout. Like an installed one, it finds what PYTHONPATH names first."""


@dataclass(frozen=True)
class Judged:
    """The verdict on one case.

    Attributes:
        mark: ✓, ✗ or – (not judged).
        why: what is wrong or why it was not judged; empty if all is right.
    """

    mark: str
    why: str = ""


def judge(verdict: Verdict, printed: str) -> Judged:
    """Compare what a case printed with what is right.

    Args:
        verdict: what is right.
        printed: the case's whole output.
    """
    exits = " ".join(re.findall(r"\[exit (\d+)\]", printed))
    if exits != verdict.exits:
        return Judged("✗", f"exit codes {exits or 'none'}, expected {verdict.exits}")
    at = 0
    for pattern in verdict.must:
        found = re.compile(pattern, re.MULTILINE).search(printed, at)
        if found is None:
            before = " after what precedes it" if re.search(pattern, printed, re.MULTILINE) else ""
            return Judged("✗", f"missing{before}: {pattern}")
        at = found.end()
    for pattern in (*verdict.must_not, r"^Traceback \(most recent", r"^killed after \d+ s$"):
        found = re.search(pattern, printed, re.MULTILINE)
        if found:
            line = printed[printed.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0]
            return Judged("✗", f"must not be there: {line[:200]}")
    return Judged("✓")


def environment(scratch: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return a case's environment: `given` without settings that would change what it prints, and this checkout's code.

    Args:
        scratch: a folder, where the command `recs` is written and the cases work.
        given: the environment of this process.
    """
    command = scratch / "recs"
    command.write_text(COMMAND.format(python=sys.executable, root=str(ROOT)))
    command.chmod(0o755)
    changes = re.compile(r"(?i)^(RECS_|PREFECT_|PYTHON|COLUMNS$)|_proxy$")
    kept = {name: value for name, value in given.items() if not changes.search(name)}
    ours = {"RECS": command, "ROOT": ROOT, "PY": sys.executable, "PYTHONPATH": ROOT, "TMPDIR": scratch}
    return kept | {name: str(value) for name, value in ours.items()}


def run(script: Path, limit_s: float) -> str:
    """Return what a case prints on both streams. It and its children are killed after `limit_s` seconds."""
    with tempfile.TemporaryDirectory(prefix="nightly-recs-case-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(  # noqa: S603  (a script of the folder that was asked for)
            ["nice", "bash", script.resolve()],  # noqa: S607
            cwd=ROOT,
            env=environment(Path(scratch), os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            printed += f"\nkilled after {limit_s:.0f} s\n".encode()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return printed.decode(errors="replace")


def can_remount() -> bool:
    """Return whether a process may mount a folder read-only for itself, which takes root's rights."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    mount = ["bash", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"', str(ROOT)]
    done = subprocess.run([unshare, "-m", *mount], capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


def outcome(name: str, folder: Path, saved: Path | None, save: Path | None) -> tuple[Judged, str, float]:
    """Return the verdict on a case, what it printed, and the seconds that it took.

    Args:
        name: of the case.
        folder: where the cases are.
        saved: a folder of outputs to judge, instead of running the case; or None.
        save: a folder in which to keep the output; or None.
    """
    verdict = VERDICTS.get(name)
    if verdict is None:
        return Judged("–", "there is no verdict on it in benchmarks/case_verdicts.py"), "", 0
    if verdict.left:
        return Judged("–", f"left: {verdict.left}"), "", 0
    started = time.perf_counter()
    if saved is not None:
        file = saved / f"{name}.txt"
        if not file.is_file():
            return Judged("–", f"skipped: there is no {file}"), "", 0
        printed = file.read_text(errors="replace")
    elif verdict.needs_mount and not can_remount():
        return Judged("–", "skipped: `unshare -m` cannot mount this folder read-only here"), "", 0
    else:
        printed = run(folder / name / "run.sh", LIMIT_S)
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        (save / f"{name}.txt").write_text(printed)
    return judge(verdict, printed), printed, time.perf_counter() - started


def chosen(folder: Path, only: str) -> list[str]:
    """Return the names of the cases to run, in order.

    Raises:
        UsageError: a name of `only` is no case.
    """
    names = sorted(script.parent.name for script in folder.glob("*/run.sh"))
    asked = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise UsageError(f"There is no case {unknown[0]!r} in {folder}.", f"Cases: {', '.join(names)}.")
    return asked or names


def main() -> None:
    """Run or read the cases, and print a line on each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="NAMES", help="cases, with commas between them")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the cases")
    parser.add_argument("--verbose", action="store_true", help="print what each case prints")
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="keep what each case prints as FOLDER/CASE.txt"
    )
    parser.add_argument("--from", dest="saved", type=Path, metavar="FOLDER", help="judge what --save kept")
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        print(f"The cases were left out: {asked.folder} does not exist. Give their folder as --folder.")
        return
    if not shutil.which("sqlite3"):
        raise UsageError("The cases need the command sqlite3, which is not installed.", "Install it.")
    marks = []
    for name in chosen(asked.folder, asked.only):
        judged, printed, seconds = outcome(name, asked.folder, asked.saved, asked.save)
        marks.append(judged.mark)
        if asked.verbose and printed:
            print(printed.rstrip())
        sentence = VERDICTS[name].sentence if name in VERDICTS else ""
        why = f"\n    {judged.why}" if judged.why else ""
        print(f"{judged.mark} {name:<29} {seconds:5.0f} s  {sentence}{why}", flush=True)
    left = marks.count("–")
    rest = f"; {left} not judged" if left else ""
    print(f"{marks.count('✓')} of {len(marks) - left} right{rest}")
    if "✗" in marks:
        sys.exit(1)


if __name__ == "__main__":
    refuse_bad_input(main)
