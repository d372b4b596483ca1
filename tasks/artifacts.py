"""What tasks hand each other: small frozen records that point at data, never the data itself.

Every reference is made of JSON values, dates and other references, so that a manifest can hold it (`to_json`) and the
next night can read it back (`from_json`). Folders are artifacts of the stage store (`tasks/storage/artifact_store.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

Source = Literal["ratings", "tags", "events", "items"]
IdType = Literal["BIGINT", "TEXT"]


@dataclass(frozen=True)
class SourceFile:
    """One input file as it stands on disk or as it was landed.

    `kind`: a `snapshot` replaces what the same path said before; an `append` adds to it.
    """

    source: Source
    path: str
    kind: Literal["snapshot", "append"]
    sha256: str
    size: int


@dataclass(frozen=True)
class Intake:
    """The live input files of a night, new ones included; `data_hash` covers contents and column mapping."""

    data_hash: str
    files: tuple[SourceFile, ...]
    new_files: int


@dataclass(frozen=True)
class SourceCounts:
    """Where the rows of one source went: rows_in = clean + duplicates + quarantined, always."""

    source: Source
    rows_in: int
    clean: int
    duplicates: int
    quarantined: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class CleanData:
    """The clean tables of the warehouse. `key` changes whenever their contents could."""

    key: str
    counts: tuple[SourceCounts, ...]
    user_id_type: IdType
    item_id_type: IdType
    newest_interaction: datetime
    n_users: int
    n_items: int

    @property
    def until(self) -> datetime:
        """Just after the newest interaction, by whole seconds: all that happened lies before it."""
        return self.newest_interaction.replace(microsecond=0) + timedelta(seconds=1)


@dataclass(frozen=True)
class Split:
    """Who is cut when. Folder: `cutoffs.parquet` (user_id, cutoff TIMESTAMP), one row per clean user.

    What a user did at or after the cutoff, and before `as_of`, is held out. The refit uses a folder of the same shape
    in which every cutoff is `as_of` (`kind='everything'`). `cutoff` is None where each user has one of their own.
    """

    key: str
    folder: Path
    kind: Literal["temporal", "leave_last", "everything"]
    why: str
    as_of: datetime
    cutoff: datetime | None


@dataclass(frozen=True)
class Snapshot:
    """The utility matrices before a split's cutoffs.

    Folder: what `models.interactions.Interactions.save` writes, and the id maps `users.parquet` (user_idx, user_id)
    and `items.parquet` (item_idx, item_id, is_touched), ordered by index. `n_untouched` of the items are in the
    catalogue only: nobody met them before the cutoffs.
    """

    key: str
    folder: Path
    n_users: int
    n_items: int
    n_seen: int
    n_rating: int
    n_positive: int
    n_composite: int
    n_untouched: int


@dataclass(frozen=True)
class HeldOut:
    """What the models are judged on.

    Folder: `users.npz` with `user_idx` (n,) int32 and `half` (n,) int8 (0 select, 1 report) for users with history and
    at least one relevant item; `relevant.npz`, csr (n, n_items) of their relevant items in the same order;
    `cold_relevant.npz`, csr (n_cold, n_items) and `cold_half.npz` (`half`) for users without history. `ratings.npz`,
    for models of the rating: `user_idx`, `item_idx`, `rating` and `half` of every later rating of an item new to the
    user. What `tasks/preparation/item_statistics.py` writes, and `segments.json`: the classes of users and items.
    `unknown_item_share`: the share of held-out positives whose item nobody touched before the cutoffs (not counted).
    """

    key: str
    folder: Path
    n_select: int
    n_report: int
    n_cold: int
    unknown_item_share: float


@dataclass(frozen=True)
class FittedModel:
    """A fitted recommender. Folder: what `Recommender.save` wrote. `learned`: there was something to learn from."""

    key: str
    folder: Path
    model: str
    seconds: float
    peak_mb: float
    learned: bool = True


@dataclass(frozen=True)
class LearnedBlend:
    """A blend of fitted models, its weights learned on the select half; or none, where too few users could teach.

    Folder: what `Recommender.save` wrote, if there are `members`; and `learned.json`, how it was learned.
    `members`: the models it is made of, in its order; empty: there is no blend. `note`: what was learned, or why not.
    """

    key: str
    folder: Path
    members: tuple[str, ...]
    note: str
    seconds: float
    peak_mb: float

    @property
    def fitted(self) -> FittedModel:
        """The blend as a model like others."""
        return FittedModel(self.key, self.folder, "blend", self.seconds, self.peak_mb)


@dataclass(frozen=True)
class Evaluation:
    """A model's metrics per held-out user, in the order of `HeldOut`.

    Folder: `per_user.npz`, one (n_users,) float64 array per metric such as `ndcg@10`. Users with history also have
    `head.npz`, `middle.npz` and `tail.npz`, the same where only items of that class are relevant, NaN for who has none;
    `lists.npz` with `items` (n_users, n) int32, the ranked lists, and an array for each of `LIST_METRICS`, NaN where it
    is not defined; and, of a model of the rating, `errors.npz` with `error` (n_pairs,) float32, predicted − given, in
    the order of the held-out ratings. `learned`: as of the fitted model.
    """

    key: str
    folder: Path
    model: str
    seconds: float
    learned: bool = True


@dataclass(frozen=True)
class Challenge:
    """A model against the incumbent, paired over users: the mean of its metric less the incumbent's, and its interval,
    which holds together with those of the other challengers.

    `wins`: on how many nights in a row, tonight included, it was clearly better; 0 if it is not tonight.
    """

    model: str
    mean: float
    low: float
    high: float
    wins: int


@dataclass(frozen=True)
class Decision:
    """How the champion was found, by the select half. `challenges` are those of all other models, best first; `means`
    is every model's metric, empty where nobody could be held out.

    `incumbent` is the model behind the lists that were live. Where there was none, or it was not judged tonight, nobody
    had to be beaten: `challenges` is empty and `least`, the difference that an interval must lie above, None. Fewer
    users than `min_users` replace no champion.
    """

    champion: str
    incumbent: str | None
    metric: str
    n_users: int
    least: float | None
    wins_needed: int
    min_users: int
    challenges: tuple[Challenge, ...]
    means: dict[str, float]


@dataclass(frozen=True)
class Choice:
    """The champion and the figures behind it. Folder: `metrics.json`, rows of the `model_metrics` table.

    `ranking`: every judged model, the champion first, the others best first; the next one stands in if one cannot be
    refitted.
    """

    key: str
    folder: Path
    ranking: tuple[str, ...]
    why: str
    decision: Decision

    @property
    def champion(self) -> str:
        """The model that makes the lists."""
        return self.ranking[0]


@dataclass(frozen=True)
class TradeOffFigure:
    """One metric (`ndcg`, `ild_features`, `ild_vectors`) at one k: plain, arranged, and the paired difference."""

    metric: str
    k: int
    as_said: float
    arranged: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class TradeOff:
    """What diversity and caps cost on the select half. Folder: `trade_off.json`, the figures."""

    key: str
    folder: Path
    model: str
    n_users: int
    figures: tuple[TradeOffFigure, ...]

    @property
    def in_short(self) -> str:
        """Every figure without and with."""
        return "; ".join(f"{f.metric}@{f.k} {f.as_said:.4f} → {f.arranged:.4f}" for f in self.figures)


@dataclass(frozen=True)
class Lists:
    """What will be published. Folder, Parquet, external ids, sorted by primary key:

    `recommendations.parquet` (user_id, rank, item_id, score, model, model_score, reason_item_id),
    `similar_items.parquet` (item_id, rank, similar_item_id, score), `fallback_recommendations.parquet` (segment, rank,
    item_id, score), `items.parquet` (item_id, title, genres joined by '|').

    `n_users`: those with a list; `n_new`: rows of users' lists that hold what nobody has met, counted where
    `recommend.new_item_share` is on.
    """

    key: str
    folder: Path
    n_users: int
    n_rows: int
    n_similar: int
    n_fallback: int
    n_items: int
    n_new: int | None = None

    @property
    def in_short(self) -> str:
        """How much there is for users."""
        new = "" if self.n_new is None else f", {self.n_new:,} of them with items that nobody has met"
        return f"{self.n_rows:,} rows for {self.n_users:,} users{new}"
