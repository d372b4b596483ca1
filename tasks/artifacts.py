"""References that stages hand each other: small frozen dataclasses that point at data, never the data itself.

A reference consists of JSON values, dates, paths and other references, so that the manifest of an artifact can hold it
(`tasks/storage/artifact_store.py`). `key` identifies the artifact, `folder` is where its files lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

Source = Literal["ratings", "tags", "events", "items", "users", "links", "relations"]
IdType = Literal["BIGINT", "TEXT"]


@dataclass(frozen=True)
class SourceFile:
    """One input file, on disk or landed.

    Attributes:
        source: the kind of rows it holds.
        path: relative to the input folder.
        kind: a `snapshot` replaces the earlier content of the same path; an `append` adds to it, and so does an
            `increment`, which stays whatever becomes of its file and wins ties against the other two.
        sha256: of the content.
        size: in bytes.
    """

    source: Source
    path: str
    kind: Literal["snapshot", "append", "increment"]
    sha256: str
    size: int


@dataclass(frozen=True)
class LeftFile:
    """An increment that a night left where it is, and the reason: a phrase such as `an unfinished transfer`."""

    path: str
    why: str


@dataclass(frozen=True)
class Deliveries:
    """The increments of a night.

    Attributes:
        increments: number of increments that are live, of this night or of earlier ones.
        new: number of those that landed this night.
        waiting: files that are probably still being written; the next night looks at them again.
        set_aside: files that cannot be read.
    """

    increments: int = 0
    new: int = 0
    waiting: tuple[LeftFile, ...] = ()
    set_aside: tuple[LeftFile, ...] = ()


@dataclass(frozen=True)
class Intake:
    """The input files that a night reads, new ones included; `data_hash` covers their contents and column mapping."""

    data_hash: str
    files: tuple[SourceFile, ...]
    new_files: int
    deliveries: Deliveries = Deliveries()


@dataclass(frozen=True)
class SourceCounts:
    """Number of rows of one source by outcome.

    Always rows_in = clean + duplicates + quarantined + deleted + deletions + forgotten.

    `reasons`: reason of rejection → number of rows. A row can have several. `pairs`: distinct pairs of user and item of
    the clean rows; None for sources that are no interactions, and in records of older versions. `deleted`: rows that a
    deletion took away; `deletions`: the rows that say so. `forgotten`: rows of forgotten users and items, which landing
    refuses (docs/forgetting.md).
    """

    source: Source
    rows_in: int
    clean: int
    duplicates: int
    quarantined: int
    reasons: dict[str, int]
    pairs: int | None = None
    deleted: int = 0
    deletions: int = 0
    forgotten: int = 0

    @property
    def accounted_for(self) -> int:
        """The rows of which it is known what became of them: `rows_in`, unless some were lost."""
        return (
            self.clean + self.duplicates + self.quarantined + self.deleted + self.deletions + self.forgotten
        )


@dataclass(frozen=True)
class CleanData:
    """The clean tables of the warehouse. `key` changes whenever their contents may have changed.

    `notes`: phrases on what was recognised in the files, such as the unit of numeric times.
    """

    key: str
    counts: tuple[SourceCounts, ...]
    user_id_type: IdType
    item_id_type: IdType
    newest_interaction: datetime
    n_users: int
    n_items: int
    notes: tuple[str, ...] = ()

    @property
    def until(self) -> datetime:
        """The first whole second after the newest interaction: every interaction lies before it."""
        return self.newest_interaction.replace(microsecond=0) + timedelta(seconds=1)


@dataclass(frozen=True)
class Split:
    """The cutoff of every user. Folder: `cutoffs.parquet` (user_id, cutoff TIMESTAMP), one row per clean user.

    A user's interactions at or after the cutoff, and before `as_of`, are held out. The refit uses a split of the same
    shape in which every cutoff is `as_of` (`kind='everything'`). `cutoff` is None where users have different ones.
    `seed` drew the order of the interactions where `kind` is `random`: the cutoffs are places in that order, not times.
    """

    key: str
    folder: Path
    kind: Literal["temporal", "leave_last", "random", "everything"]
    why: str
    as_of: datetime
    cutoff: datetime | None
    seed: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """The utility matrices before a split's cutoffs.

    Folder: the files of `models.interactions.Interactions.save`, and the id maps `users.parquet` (user_idx, user_id,
    is_touched) and `items.parquet` (item_idx, item_id, is_touched), ordered by index. `n_untouched` items are in the
    catalogue but have no interaction before the cutoffs; `n_untouched_users` users have none either, but a link with a
    user who has one. `n_facts` are the triples of the relations.
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
    n_untouched_users: int = 0
    n_links: int = 0
    n_user_features: int = 0
    n_facts: int = 0


@dataclass(frozen=True)
class EarlierRows:
    """How a snapshot relates to an earlier one. Folder: `rows.npz`.

    `rows.npz`: `users` (n_users,) and `items` (n_items,) int64, for each row of the snapshot that of the same user or
    item in the earlier one, or −1. `n_pairs` counts the snapshot's pairs of user and item, `n_new` those that the
    earlier one lacks, `n_gone` the earlier one's that the snapshot lacks, and `n_leaked` the pairs held out by the
    snapshot's split that the earlier one holds: a fit on it must not be judged on them.
    """

    key: str
    folder: Path
    n_pairs: int
    n_new: int
    n_gone: int
    n_leaked: int

    @property
    def changed_share(self) -> float:
        """New and gone pairs, as a share of the snapshot's pairs."""
        return (self.n_new + self.n_gone) / max(self.n_pairs, 1)


@dataclass(frozen=True)
class HeldOut:
    """The held-out interactions that models are judged on.

    Folder:
        `users.npz`: `user_idx` (n,) int32 and `half` (n,) int8 (0 select, 1 report) of users with history and at least
            one relevant item; of more than `judge.max_users`, of those who were drawn.
        `relevant.npz`: CSR (n, n_items), their relevant items, in the same order.
        `cold_users.npz`, `cold_relevant.npz`: the same for users without history, CSR (n_cold, n_items). `user_idx` is
            −1 for those of whom the snapshot has no row; of the others it has one by their links.
        `cold_likes.npz`: `row_idx` and `item_idx`, the entries of `cold_relevant`, each user's in the order in which
            they were met.
        `new_item_users.npz`, `new_item_relevant.npz`: as `users` and `relevant`, where only items that the snapshot
            knows and nobody touched before the cutoffs are relevant; CSR (n_new, n_items).
        `similar_pairs.npz`: the pairs that similar items are judged by, (n_pairs,) arrays ordered by user and target:
            `user`, `query` (the item that the user liked last), `target` (an item of `relevant` or
            `new_item_relevant`), `half`, and `is_cold`, whether fewer than five users liked the target before.
        `ratings.npz`: `user_idx`, `item_idx`, `rating` and `half` of every later rating of an item that is new to the
            user, for models of the rating; where users were drawn, of users with as small a number.
        `segments.json`: the limits of the classes of users and items; with it, the files of
            `tasks/preparation/item_statistics.py`.

    `unknown_item_share`: the share of held-out positives whose item has no interaction before the cutoffs; these are
    not counted as relevant.
    `n_not_drawn`: users with history and a relevant item whom the draw of `judge.max_users` left out of all files.
    """

    key: str
    folder: Path
    n_select: int
    n_report: int
    n_cold: int
    unknown_item_share: float
    n_not_drawn: int = 0


@dataclass(frozen=True)
class FittedModel:
    """A fitted recommender. Folder: the files of `Recommender.save`.

    `learned` is False where the training matrix was empty. `peak_mb` is the memory of the process while fitting.
    `snapshot`: the key of the snapshot; empty for ensembles. `start`: whether it started cold or warm, and why; empty
    for models without warm starts. `source`: a hash of the model's source code.
    """

    key: str
    folder: Path
    model: str
    seconds: float
    peak_mb: float
    learned: bool = True
    snapshot: str = ""
    start: str = ""
    source: str = ""


@dataclass(frozen=True)
class WarmFit:
    """The earlier fit that a fit starts from, or none.

    Attributes:
        key: of the earlier fit; empty for a cold fit.
        why: why it is warm or cold, for the note of the stage. No part of the cache key.
        folder: of the earlier fit.
        rows: where `rows.npz` of `EarlierRows` lies.
        effort: factor of the model's `warm_share`.
    """

    key: str = ""
    why: str = ""
    folder: Path | None = None
    rows: Path | None = None
    effort: int = 1

    def cache_key(self) -> str:
        """Return what of it decides the bits of the fit that starts from it."""
        return self.key if self.effort == 1 else f"{self.key} × {self.effort}"


@dataclass(frozen=True)
class LearnedEnsemble:
    """An ensemble of fitted models with weights learned on the select half; none if there were too few users.

    Folder: `learned.json`, how it was learned; and, if there are members, the files of `Recommender.save`.
    `model`: the name of the ensemble. `members`: its models, in its order; empty if there is no ensemble. `note`: what
    was learned, or why not.
    """

    key: str
    folder: Path
    model: str
    members: tuple[str, ...]
    note: str
    seconds: float
    peak_mb: float

    @property
    def fitted(self) -> FittedModel:
        """The ensemble as a fitted model."""
        return FittedModel(self.key, self.folder, self.model, self.seconds, self.peak_mb)


@dataclass(frozen=True)
class Evaluation:
    """A model's metrics per held-out user, in the order of `HeldOut`.

    Folder:
        `per_user.npz`: one (n_users,) float64 array per metric, such as `ndcg@10`.
        `head.npz`, `middle.npz`, `tail.npz`: the same where only items of that class are relevant; NaN for users
            without any. Only for users with history, as are the files below.
        `lists.npz`: `items` (n_users, n) int32, the ranked lists, and one array per list metric; NaN where a metric is
            not defined.
        `candidate_items.npy`, `candidate_scores.npy`: the model's own lists before others completed them, (n_users, m)
            int32 and float32, −1 and NaN as padding; only for members of ensembles, which are judged by them.
        `errors.npz`: `error` (n_pairs,) float32, predicted − given, in the order of the held-out ratings; only for
            models of the rating.

        `new_users_1.npz`, `new_users_2.npz`, `new_users_5.npz`: as `per_user.npz` for cold users, (n_cold,), of whom
            the model was given so many likes; NaN for users with no item left to find. Only for models that can make
            lists for users they were not trained on.
        `new_users_0.npz`: as `per_user.npz` for cold users, (n_cold,), by the lists that would be published for them;
            NaN for those of whom the snapshot has no row. `known_new_users.npz`: `known` (n_cold,) bool, whether the
            model has learned something of them. Only where the snapshot has a row of a cold user.
        `new_items.npz`: as `per_user.npz` for the users of `new_item_users.npz`, where only items that nobody had met
            are ranked; only for models that know such items.
        `similar_items.npz`: one (n_pairs,) float64 array per metric of similar items, in the order of
            `similar_pairs.npz`; only for models that have similar items.

    `learned`: as of the fitted model.
    """

    key: str
    folder: Path
    model: str
    seconds: float
    learned: bool = True


@dataclass(frozen=True)
class Challenge:
    """A model compared with the incumbent, paired over users.

    Attributes:
        model: its name.
        mean: the mean of its champion metric less the incumbent's.
        low, high: the interval of that difference; the intervals of all challengers hold jointly.
        wins: number of nights in a row, tonight included, on which it was clearly better; 0 if it is not tonight.
    """

    model: str
    mean: float
    low: float
    high: float
    wins: int


@dataclass(frozen=True)
class Decision:
    """The choice of the champion on the select half.

    Attributes:
        champion: the model that makes tonight's lists.
        incumbent: the model behind the live lists; None if there are none.
        metric: such as `ndcg@10`.
        n_users: users of the select half.
        least: the difference that an interval must lie above; None if there was no incumbent, or it was not judged
            tonight: then nobody had to be beaten, and `challenges` is empty.
        wins_needed: number of nights in a row that a challenger must win.
        min_users: with fewer users no champion is replaced.
        challenges: all other models, best first.
        means: every model's metric; empty where no user could be held out.
        why: the decision in one sentence.
    """

    champion: str
    incumbent: str | None
    metric: str
    n_users: int
    least: float | None
    wins_needed: int
    challenges: tuple[Challenge, ...]
    means: dict[str, float]
    min_users: int = 0
    why: str = ""


@dataclass(frozen=True)
class Choice:
    """The champion and the figures behind it. Folder: `metrics.json`, rows of the `model_metrics` table.

    `ranking`: every judged model, the champion first, then the best first. If a model cannot be refitted, the next one
    takes its place.
    """

    key: str
    folder: Path
    ranking: tuple[str, ...]
    decision: Decision

    @property
    def champion(self) -> str:
        """The model that makes the lists."""
        return self.ranking[0]


@dataclass(frozen=True)
class TradeOffFigure:
    """One metric (`ndcg`, `ild_features`, `ild_vectors`) at one k, of the lists as scored and as reranked.

    `difference` is paired over users, with its interval `low` to `high`.
    """

    metric: str
    k: int
    as_said: float
    arranged: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class TradeOff:
    """Costs of diversity and genre caps on the select half. Folder: `trade_off.json`, the figures."""

    key: str
    folder: Path
    model: str
    n_users: int
    figures: tuple[TradeOffFigure, ...]

    @property
    def in_short(self) -> str:
        """Every figure as scored and as reranked."""
        return "; ".join(f"{f.metric}@{f.k} {f.as_said:.4f} → {f.arranged:.4f}" for f in self.figures)


@dataclass(frozen=True)
class Lists:
    """The lists that will be published. Folder: Parquet files with external ids, sorted by primary key.

    `recommendations.parquet` (user_id, rank, item_id, score, model, model_score, reason_item_id; with a trial also
    variant, `control` or `trial`),
    `similar_items.parquet` (item_id, rank, similar_item_id, score), `fallback_recommendations.parquet` (segment, rank,
    item_id, score), `items.parquet` (item_id, title, genres joined by '|').

    `n_users`: users with a list. `n_new`: rows of users' lists whose item has no interaction; None unless
    `recommend.new_item_share` is on. `n_trial`: users in the trial; None without one.
    """

    key: str
    folder: Path
    n_users: int
    n_rows: int
    n_similar: int
    n_fallback: int
    n_items: int
    n_new: int | None = None
    n_trial: int | None = None

    @property
    def in_short(self) -> str:
        """Number of rows and users, in words."""
        new = "" if self.n_new is None else f", {self.n_new:,} of them with items without interactions"
        trial = "" if self.n_trial is None else f", {self.n_trial:,} of them in the trial"
        return f"{self.n_rows:,} rows for {self.n_users:,} users{trial}{new}"


@dataclass(frozen=True)
class CheckResult:
    """One row of `run_checks`. A check without a value, as where there is nothing to compare with yet, passes.

    `detail`: where the fault is, such as the sources that lost rows; not in `run_checks`.
    """

    check: str
    value: float | None
    limit: float | None
    passed: bool
    detail: str = ""
