"""Commands that write a model for other programs: one that scores users itself, or its vectors."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import DEFAULT_HOME, Commands, HomeOption, parse_run_id
from flows.terminal.console import err, out
from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.storage.home import Home, existing_home
from tasks.storage.path_text import parse_path

if TYPE_CHECKING:
    from tasks.export.embeddings import Embeddings
    from tasks.export.export_model import Exported
    from tasks.reporting.find_model import FoundModel, Use

commands = Commands()

FORMATS = ("onnx",)

RunOption = Annotated[
    int | None,
    typer.Option(
        "--run",
        parser=parse_run_id,
        metavar="RUN",
        help="The run whose model it is. Default: the live one.",
    ),
]


def folder_option(default: str) -> Any:
    """Return the option `--out`."""
    return typer.Option(
        "--out",
        parser=partial(parse_path, "--out"),
        metavar="FOLDER",
        help=f"Where to write, a new or empty folder. Default: {default} in the home.",
    )


def parse_format(text: str) -> str:
    """Return the value of `--format`.

    Raises:
        UsageError: there is no such format.
    """
    if text.lower() not in FORMATS:
        raise UsageError(f"--format takes {' or '.join(FORMATS)} (given: {text}).")
    return text.lower()


@commands.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A fitted model, such as als or sasrec.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format", parser=parse_format, metavar="FORMAT", help="The format of the graphs: onnx."
        ),
    ] = "onnx",
    folder: Annotated[Path | None, folder_option("exports/MODEL-RUN")] = None,
    run_id: RunOption = None,
    ann: Annotated[
        bool,
        typer.Option("--ann", help="Write an index for approximate search, too; exact search needs none."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write a model for an application that scores users at once, from what they did a moment ago.

    The application needs onnxruntime and numpy, and nothing of nightly-recs: docs/realtime.md shows it in 30 lines.
    The folder holds the encoder from a history of items to the user's vector, the vectors of the items, their ids, and
    manifest.json, which describes all of it. It appears complete or not at all, after its scores were compared with
    the model's.

    Needs an extra: pip install 'nightly-recs[onnx]'. With --ann also nightly-recs[ann].
    """
    from tasks.export.extras import require_extra
    from tasks.reporting.find_model import EXPORT, check_has_use

    check_has_use(model, EXPORT)
    where = existing_home(home)
    require_extra(format_, "recs export")
    if ann:
        require_extra("ann", "--ann")
    found = _find(where, run_id, model, EXPORT)
    from tasks.export.export_model import export_model

    place = folder or where.path / "exports" / f"{model}-{found.run.run_id}"
    _show(export_model(found, place, ann=ann))


@commands.command()
def export_embeddings(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A fitted model with vectors, such as als or two_tower.")
    ],
    folder: Annotated[Path | None, folder_option("exports/MODEL-embeddings-RUN")] = None,
    run_id: RunOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the vectors of a model's users and items as Parquet, for a notebook or a vector database.

    `items.parquet` holds item_id, title, vector and bias, `users.parquet` user_id and vector. The score of a pair is
    the product of the vectors plus the bias. Users and items that the model does not know are left out.

    Example: `recs export-embeddings als --out /tmp/als`, then in DuckDB: `select * from '/tmp/als/items.parquet'`.
    """
    from tasks.reporting.find_model import EMBEDDINGS, check_has_use

    check_has_use(model, EMBEDDINGS)
    where = existing_home(home)
    found = _find(where, run_id, model, EMBEDDINGS)
    from tasks.export.embeddings import export_embeddings

    place = folder or where.path / "exports" / f"{model}-embeddings-{found.run.run_id}"
    _show_embeddings(export_embeddings(found, place))


def _find(home: Home, run_id: int | None, model: str, use: Use) -> FoundModel:
    """Return a model of a run, by default of the live one; print a note if its fit is not the usual one."""
    from tasks.reporting.find_model import find_model

    found = find_model(home, run_id if run_id is not None else _live_run(home), model, use)
    if found.note:
        err.print(found.note, markup=False, soft_wrap=True)
    return found


def _live_run(home: Home) -> int:
    """Return the run whose lists are live.

    Raises:
        NoListsError: nothing has been published yet.
    """
    from tasks.publication.queries import lists_of

    with lists_of(home, load_settings()) as target:
        live = target.live_run()
    if live is None:
        raise UsageError("No run is live.", "Name one with --run; recs runs lists them.")
    return live


def _show(exported: Exported) -> None:
    run, check = exported.model.run, exported.check
    out.print(
        f"{exported.model.fitted.model} of run {run.run_id}, in {exported.folder}",
        markup=False,
        soft_wrap=True,
    )
    for name, size in exported.files.items():
        out.print(f"  {name:<30} {size:>13,} bytes", markup=False, soft_wrap=True)
    out.print(
        f"Scores of {check.users} users by the files differ from the model's by at most "
        f"{check.greatest_difference:.1g}.",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    if exported.index is not None:
        index = exported.index
        out.print(
            f"Index: {index.recall:.1%} of the exact 100 best items of {index.n_queries} users in {index.ms:.2f} ms "
            f"each; the exact product takes {index.exact_ms:.2f} ms. Built in {index.build_s:.1f} s.",
            markup=False, soft_wrap=True,
        )  # fmt: skip


def _show_embeddings(written: Embeddings) -> None:
    found = written.model
    out.print(
        f"{found.fitted.model} of run {found.run.run_id}, vectors of {written.width} numbers, in {written.folder}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    out.print(f"  items.parquet  {written.n_items:,} items", markup=False)
    if written.n_users:
        out.print(f"  users.parquet  {written.n_users:,} users", markup=False)
    if not written.scores_are_products:
        out.print(
            f"The scores of {found.fitted.model} are no products of these vectors: compare items by cosine.",
            markup=False, soft_wrap=True,
        )  # fmt: skip
