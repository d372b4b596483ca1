"""The outcome of each user of a run with a trial, kept in the run's folder so that nights can be pooled.

Lists of a run are kept for `publish.keep_runs` nights only, and a trial may last longer. The file holds external ids of
users; `recs forget` rewrites it without the rows of the person.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tasks.outcomes.judged_lists import JudgedLists
from tasks.outcomes.live_windows import PublishedLists
from tasks.outcomes.outcome_rows import n_hits_of, per_user_metrics
from tasks.recommendation.trial_arms import VARIANTS

FILE = "trial_users.parquet"
_ABOUT = b"trial"


@dataclass(frozen=True)
class TrialWindow:
    """The period in which the lists of one run of a trial were the newest.

    Attributes:
        run_id: the run.
        since, until: the period, UTC.
        is_over: whether another run has replaced it; else more interactions may come.
        champion: the model of the control arm.
        n_listed: the number of users with a list, by variant.
        users: user_id, variant, n_positives, found (share of them in the whole list), and metrics such as `ndcg@10`;
            one row per user in the trial who came to like something new.
    """

    run_id: int
    since: datetime
    until: datetime
    is_over: bool
    champion: str
    n_listed: dict[str, int]
    users: pa.Table


@dataclass(frozen=True)
class _About:
    run_id: int
    since: datetime
    until: datetime
    is_over: bool
    champion: str
    n_listed: dict[str, int]


def trial_file(run_id: int) -> str:
    """Return the name of a run's file in the folder of `Outcomes`."""
    return f"trial-{run_id}.parquet"


def write_trial_users(path: Path, run: PublishedLists, judged: JudgedLists, ks: tuple[int, ...]) -> None:
    """Write the outcome of every user in a trial who came to like something new.

    Args:
        path: the file.
        run: the run whose lists were judged, in its own period.
        judged: the users and their hits.
        ks: list lengths.
    """
    about = _About(
        run_id=run.run_id,
        since=judged.window.since,
        until=judged.window.until,
        is_over=run.live_until is not None and run.live_until <= judged.window.until,
        champion=run.champion,
        n_listed={name: n for name, n in judged.n_listed.items() if name is not None},
    )
    text = json.dumps(TypeAdapter(_About).dump_python(about, mode="json"))
    users = users_table(judged, ks, judged.variant)
    pq.write_table(users.replace_schema_metadata({_ABOUT: text.encode()}), path)


def users_table(judged: JudgedLists, ks: tuple[int, ...], variant: NDArray[np.int8]) -> pa.Table:
    """Return the users of both arms as `TrialWindow` has them.

    Args:
        judged: the users and their hits.
        ks: list lengths.
        variant: (n_users,) indices into `VARIANTS`; −1 for users who are left out.
    """
    kept = np.flatnonzero(variant >= 0)
    metrics = per_user_metrics(judged, ks) | {"found": n_hits_of(judged) / judged.n_positives}
    return pa.table(
        {
            "user_id": judged.user_ids.take(pa.array(kept)),
            "variant": pa.array([VARIANTS[number] for number in variant[kept]], pa.string()),
            "n_positives": pa.array(judged.n_positives[kept]),
            **{name: pa.array(values[kept]) for name, values in metrics.items()},
        }
    )


def keep_trial_users(folder: Path, run_id: int, run_folder: Path) -> None:
    """Copy a run's file from the folder of `Outcomes` into the run's folder, in place of an earlier one at once."""
    source = folder / trial_file(run_id)
    if source.exists():
        partial = run_folder / f".{FILE}.partial"
        shutil.copyfile(source, partial)
        partial.replace(run_folder / FILE)


def read_trial_users(run_folder: Path) -> TrialWindow | None:
    """Read the outcome of a run's trial; None if it had none, or if no night has judged it yet."""
    try:
        table = pq.read_table(run_folder / FILE)
    except FileNotFoundError:
        return None
    about = TypeAdapter(_About).validate_json(table.schema.metadata[_ABOUT])
    return TrialWindow(**asdict(about), users=table)
