"""Print how well each model ranks two carves of the likes of Gowalla, and the time and memory that it takes.

python -m benchmarks.records [--models cheby_filter,lightgcn,…] [--members als,ease,…] [--folder FOLDER]...

Each model is `benchmarks.accuracy` in a process of its own, with default settings; `blend` learns its weights inside
the training part. A FOLDER holds train.txt and valid.txt, lines `user item item …`; by default those of ../shared/data:
gowalla, a random part of each user's likes held out, and gowalla-hard, where what is held out has less in common with
the user's other likes. The figures are Recall@20 and NDCG@20. No test part is read: these are for choosing defaults.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.child import Measurement, measure
from benchmarks.command import refuse_bad_input
from benchmarks.machine import machine_facts
from benchmarks.tables import machine_text, one_line, table
from models.registry import ENSEMBLES, require_known
from tasks.errors import NightError, UsageError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDERS = (SHARED / "gowalla", SHARED / "gowalla-hard")
MODELS = (
    "popularity", "item_knn", "user_knn", "rp3beta", "ease", "graph_filter", "cheby_filter", "als", "bpr",
    "lightgcn", "blend",
)  # fmt: skip
MEMBERS = ("item_knn", "user_knn", "ease", "cheby_filter", "als", "bpr", "lightgcn")
LIMIT_S = 3600.0


def measured(folder: Path, model: str, members: Sequence[str]) -> Measurement:
    """Fit a model on the training part of a folder, and judge it by the validation part.

    Args:
        folder: with train.txt and valid.txt.
        model: a name of the registry, or `blend`.
        members: of the blend.
    """
    words = ["--train", str(folder / "train.txt"), "--test", str(folder / "valid.txt"), "--model", model]
    if model == "blend":
        words += ["--members", ",".join(members)]
    return measure("benchmarks.accuracy", words, limit_s=LIMIT_S)


def cells(model: str, found: Sequence[Measurement]) -> list[str]:
    """Return a row of the table: accuracy on each data set, then the most time and memory."""
    row = [f"`{model}`"]
    for each in found:
        figures = each.figures
        row.append(
            f"{figures['recall@20']:.4f} / {figures['ndcg@20']:.4f}" if figures else one_line(each.error)
        )
    for name in ("fit_s", "score_s", "peak_mb"):
        values = [each.figures[name] for each in found if each.figures]
        row.append(f"{max(values):,.0f}" if values else "")
    return row


def checked(folders: Sequence[Path], models: Sequence[str]) -> None:
    """Check that all folders and models are there.

    Raises:
        UsageError: one is not.
    """
    for folder in folders:
        for name in ("train.txt", "valid.txt"):
            if not (folder / name).is_file():
                raise UsageError(
                    f"There is no {folder / name}.",
                    "Name a folder with train.txt and valid.txt: --folder FOLDER",
                )
    for model in models:
        try:
            if model not in ENSEMBLES:
                require_known(model)
        except ValueError as error:
            raise UsageError(str(error)) from None


def main() -> None:
    """Measure all models on all data, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", default=",".join(MODELS), metavar="NAMES", help="with commas between them"
    )
    parser.add_argument("--members", default=",".join(MEMBERS), metavar="NAMES", help="of the blend")
    parser.add_argument("--folder", action="append", type=Path, default=[], metavar="FOLDER")
    asked = parser.parse_args()
    folders, models, members = asked.folder or FOLDERS, asked.models.split(","), asked.members.split(",")
    checked(folders, [*models, *members])
    machine = machine_facts()
    rows, best, failed = [], dict[str, float](), list[str]()
    for model in models:
        found = [measured(folder, model, members) for folder in folders]
        rows.append(cells(model, found))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
        failed += [each.command for each in found if each.error]
        for folder, each in zip(folders, found, strict=True):
            if each.figures:
                name = f"best_{folder.name}"
                best[name] = max(best.get(name, 0.0), each.figures["recall@20"])
    print(machine_text(machine), end="\n\n")
    head = ["model", *(folder.name for folder in folders), "fit s", "list s", "MB"]
    print(table(head, rows), end="\n\n")
    print(" ".join(f"{name}={value:.4f}" for name, value in best.items()))
    if failed:
        raise NightError(f"Not measured: {'; '.join(failed)}.")


if __name__ == "__main__":
    refuse_bad_input(main)
