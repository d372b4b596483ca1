"""The settings of the night: every name, type, range and default. `tasks/config/load.py` reads them."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.base import Config
from models.ensemble.settings import BlendOptions
from models.evaluation.metrics import RANKING_METRICS
from models.numerics.resources import resources
from models.registry import config_class, require_known
from models.settings_base import Options
from tasks.config.data_settings import DataSettings
from tasks.config.drift_limits import DriftLimits
from tasks.config.engine_settings import EngineSettings
from tasks.config.monitoring_settings import MonitoringSettings
from tasks.config.notify_settings import NotifySettings
from tasks.config.resources_settings import ResourcesSettings
from tasks.config.retention_settings import RetentionSettings
from tasks.config.trial_settings import TrialSettings
from tasks.config.usual_scales import usual_like
from tasks.config.warm_start_settings import WarmStartSettings

Share = Annotated[float, Field(gt=0, lt=1)]
_RETRIEVER = "two_tower"
BACKFILL = ("content", "popularity")
"""The models that complete short lists after `recommend.backfill`; fitted every night, on the shelf or not."""

_SAME_FOR_ALL = ("popularity", "recent")

_LOW_SHARE = 0.05
"""A like that begins in this lowest part of the scale is taken for a mistake."""

_COMPOSITE = Path(__file__).resolve().parents[2] / "sql/warehouse/features/composite.sql"
TRANSFORMS: dict[str, str] = dict(
    re.findall(r"(?m)^ +when '(\w+)' then .* -- (.+)", _COMPOSITE.read_text(encoding="utf-8"))
)
"""The transforms of signal values that `composite.sql` defines: name → explanation."""


class RunSettings(Options):
    """Randomness and parallelism of a night."""

    seed: int = Field(default=42, ge=0, lt=2**31, description="The only source of randomness.")
    parallel_fits: int = Field(default=1, ge=1, le=64, description="Models fitted at the same time.")


class Signal(Options):
    """One term of the composite utility: weight · transform(aggregate of value · 2^(−age / half_life))."""

    source: Literal["ratings", "tags", "events"]
    event: str | None = Field(
        default=None, description="Events only: which one; a missing value counts as 1."
    )
    weight: float = Field(default=1.0, ge=0, description="0 switches the signal off.")
    aggregate: Literal["last", "sum", "max", "count"] = "sum"
    transform: str = Field(
        default="none", description=". ".join(f"{name}: {words}" for name, words in TRANSFORMS.items()) + "."
    )
    half_life_days: float = Field(default=0, ge=0, description="Days in which a value halves; 0 is no decay.")

    @field_validator("transform")
    @classmethod
    def _transform_is_offered(cls, value: str) -> str:
        if value not in TRANSFORMS:
            *others, last = map(repr, TRANSFORMS)
            raise ValueError(f"it takes {', '.join(others)} or {last}")
        return value

    @model_validator(mode="after")
    def _event_goes_with_events(self) -> Signal:
        if (self.source == "events") != (self.event is not None):
            raise ValueError("`event` is needed when source is 'events', and only then")
        return self


_THRESHOLDS = {"like": 1.0, "share": 1.0, "comment": 1.0, "purchase": 1.0}
_SIGNALS = {
    "rating": Signal(source="ratings", weight=1, aggregate="last", transform="user_mean"),
    "tag": Signal(source="tags", weight=2, aggregate="count", transform="log1p"),
}


class UtilitySettings(Options):
    """Rules for positive interactions, and the signals of the composite utility."""

    relevant_rating: float = 3.5
    positive_tags: bool = True
    positive_events: dict[str, float] = _THRESHOLDS
    signals: dict[str, Signal] = _SIGNALS

    @field_validator("positive_events")
    @classmethod
    def _zero_means_never(cls, value: dict[str, float]) -> dict[str, float]:
        if any(threshold < 0 for threshold in value.values()):
            raise ValueError("a threshold must be positive, or 0 for an event that never counts")
        return {event: threshold for event, threshold in value.items() if threshold > 0}

    @field_validator("signals")
    @classmethod
    def _drop_signals_without_weight(cls, value: dict[str, Signal]) -> dict[str, Signal]:
        kept = {name: signal for name, signal in value.items() if signal.weight > 0}
        if not kept:
            raise ValueError("at least one signal must have a weight above 0")
        return kept


class SplitSettings(Options):
    """The data to hold out for the evaluation of models."""

    method: Literal["temporal", "leave_last", "random", "auto"] = "auto"
    cutoff: str = ""
    temporal_share: Share = 0.1
    leave_last_share: Share = 0.2
    leave_last_n: int = Field(default=0, ge=0)
    min_users: int = Field(default=500, ge=1)
    min_user_share: Share = 0.2

    @field_validator("cutoff", mode="before")
    @classmethod
    def _cutoff_may_be_a_date_of_toml(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value

    @field_validator("cutoff")
    @classmethod
    def _cutoff_is_a_date(cls, value: str) -> str:
        if value:
            datetime.fromisoformat(value)
        return value


class JudgeSettings(Options):
    """Metrics, and the comparison of models by which the champion is chosen."""

    k: tuple[int, ...] = Field(default=(10, 20), min_length=1)
    champion_metric: str = "ndcg@10"
    bootstrap_samples: int = Field(default=2000, ge=100)
    confidence: Share = 0.95
    min_effect: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Share of the champion's metric by which a challenger must win.",
    )
    wins_needed: int = Field(
        default=3, ge=1, le=100, description="Nights in a row that a challenger must win."
    )
    min_users: int = Field(
        default=30,
        ge=1,
        description="Of the select half: fewer neither replace a champion nor hold lists back.",
    )
    max_users: int = Field(
        default=40_000,
        ge=1,
        description="Judged users with history, and as many without; of more, so many are drawn, nearly the same every "
        "night.",
    )

    @model_validator(mode="after")
    def _values_agree(self) -> JudgeSettings:
        if any(k < 1 for k in self.k):
            raise ValueError("every k must be at least 1")
        if self.max_users < 2 * self.min_users:
            raise ValueError(
                "max_users must be at least twice min_users: a half of them chooses the champion"
            )
        known = [f"{metric.name}@{k}" for metric in RANKING_METRICS for k in self.k]
        if self.champion_metric not in known:
            raise ValueError(f"champion_metric must be one of {', '.join(known)}")
        return self


class ModelsSettings(BaseModel):
    """The models of the night, and one table of hyperparameters per model, validated by that model's own config."""

    model_config = ConfigDict(frozen=True, extra="allow")

    shelf: tuple[str, ...] = Field(
        default=("popularity", "item_knn", "user_knn", "als", "bpr", "mf", "lightgcn", "graph_filter"),
        min_length=1,
        description="The models that are fitted and judged every night.",
    )
    tuned: bool = Field(
        default=True,
        description="Use the settings that `recs tune` found in place of the defaults.",
    )

    @field_validator("shelf", mode="before")
    @classmethod
    def _shelf_may_be_one_string(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_are_models(self) -> ModelsSettings:
        for name in (*self.shelf, *(self.model_extra or {})):
            require_known(name)
        return self

    def config(self, name: str) -> Config:
        """Return the config of a model: from its table, or its defaults.

        The default of `memory_mb`, where a model has it, is capped by the resources of this process.
        """
        config = config_class(name).model_validate((self.model_extra or {}).get(name, {}))
        by_default = getattr(config, "memory_mb", 0) if "memory_mb" not in config.model_fields_set else 0
        allowed = resources().model_mb
        return config.model_copy(update={"memory_mb": allowed}) if by_default > allowed else config


class BlendSettings(BlendOptions):
    """The blend, a learned combination of models that competes with them."""

    least_members: ClassVar[int] = 2

    enabled: bool = True
    members: tuple[str, ...] = Field(
        default=(), description="The models it combines; empty: the shelf and content."
    )

    @field_validator("members")
    @classmethod
    def _members_are_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(require_known(name) for name in value))

    def members_of(self, shelf: tuple[str, ...]) -> tuple[str, ...]:
        """Return the models that the blend combines; none if it is disabled or would have fewer than two."""
        chosen = self.members or tuple(dict.fromkeys((*shelf, "content")))
        return chosen if self.enabled and len(chosen) >= self.least_members else ()


class RankingSettings(BlendOptions):
    """The second stage, which reranks what one model lists, and competes with the models."""

    least_members: ClassVar[int] = 1

    enabled: bool = True
    retriever: str = Field(
        default="", description="The model that retrieves; empty: two_tower, where it is on the shelf."
    )

    @field_validator("retriever")
    @classmethod
    def _retriever_is_a_model(cls, value: str) -> str:
        return require_known(value) if value else value

    def members_of(self, shelf: tuple[str, ...]) -> tuple[str, ...]:
        """Return the model that retrieves, alone; none if the stage is disabled or has no model."""
        chosen = self.retriever or (_RETRIEVER if _RETRIEVER in shelf else "")
        return (chosen,) if self.enabled and chosen else ()


class RecommendSettings(Options):
    """Length and content of the published lists."""

    n: int = Field(default=100, ge=1, le=10_000)
    exclude_seen: bool = True
    backfill: str = Field(
        default="content",
        description="The model that completes short lists first; content and then popularity come after it.",
    )
    similar_model: str = "item_knn"
    similar_n: int = Field(default=50, ge=1, le=10_000)
    fallback_n: int = Field(default=100, ge=1, le=10_000)
    fallback_genres: bool = True
    genres: tuple[str, ...] = Field(default=(), description="List only items of one of these; none is all.")
    without_genres: tuple[str, ...] = Field(default=(), description="List no item of any of these.")
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="0 ranks by relevance alone, 1 by difference from the items above.",
    )
    max_per_genre: int = Field(
        default=0, ge=0, le=10, description="Items of a genre among the first 10 at most; 0 is no cap."
    )
    new_item_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of each list for items without any interaction.",
    )
    new_item_model: str = Field(
        default="",
        description="The model that ranks these items; empty: the champion if it knows such, else the backfill.",
    )

    @property
    def backfill_models(self) -> tuple[str, ...]:
        """Names of the models that complete short lists, in order of precedence, popularity last."""
        return tuple(dict.fromkeys((self.backfill, *BACKFILL)))

    @field_validator("genres", "without_genres", mode="before")
    @classmethod
    def _genres_may_be_separated_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _new_items_have_a_place(self) -> RecommendSettings:
        share = self.new_item_share
        if share and share * self.n < 1 - 1e-9:
            raise ValueError(
                f"new_item_share {share:g} of {self.n} places is less than one: "
                f"set it to {1 / self.n:.2g} or more, or to 0"
            )
        return self

    @field_validator("similar_model", "backfill")
    @classmethod
    def _model_exists(cls, value: str) -> str:
        return require_known(value)

    @field_validator("similar_model")
    @classmethod
    def _compares_items(cls, value: str) -> str:
        if value in _SAME_FOR_ALL:
            raise ValueError(f"{value} compares no items: it has one list for everybody")
        return value

    @field_validator("new_item_model")
    @classmethod
    def _new_item_model_exists(cls, value: str) -> str:
        return require_known(value) if value else value


class CheckSettings(DriftLimits):
    """Limits of the checks that lists must pass before they are published."""

    min_user_coverage: float = Field(default=1.0, ge=0, le=1)
    max_rejected_rows: float = Field(default=0.05, ge=0, le=1, description="Share of the rows of one source.")
    min_known_items: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the items with an interaction that the catalogue has; 0: off.",
    )
    max_input_age_days: float = Field(
        default=0,
        ge=0,
        description="From the newest interaction to the night; 0: off, for data sets of the past.",
    )
    max_days_behind: float = Field(
        default=1.0, ge=0, description="From the newest interaction to that of the live lists."
    )
    max_lost_rows: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of its rows or pairs that a source may lose since the live run; 1: also all.",
    )
    max_relisted_seen: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the recommended items that their user had seen by the live run's data.",
    )
    max_lost_users: float = Field(default=0.1, ge=0, le=1, description="Share of the users with a live list.")
    min_overlap: float = Field(
        default=0.1, ge=0, le=1, description="Of the first ten items with the live ones."
    )
    min_catalogue_coverage: float = Field(
        default=0.01, ge=0, le=1, description="Share of the items with an interaction."
    )
    max_sameness: float = Field(
        default=0.8, ge=0, le=1, description="1: all users have the same first ten items."
    )
    max_quality_drop: float = Field(
        default=0.3, ge=0, le=1, description="Of the champion's metric under the median of the last nights."
    )
    min_users: int = Field(
        default=30, ge=1, description="With fewer users, changes of the lists are not checked."
    )


class PublishSettings(Options):
    """The serving database."""

    keep_runs: int = Field(default=7, ge=1)
    trial: TrialSettings | None = None
    url: SecretStr | None = Field(
        default=None, description="From the environment only: it may hold a password."
    )


class TrackingSettings(Options):
    """The experiment tracker that every night and its fits are sent to."""

    uri: SecretStr = Field(
        default=SecretStr(""),
        description="Where nights and fits are tracked, such as sqlite:///mlflow.db (in the home), "
        "http://host:5000 or wandb:PROJECT; empty: nowhere.",
    )
    max_seconds: float = Field(
        default=120, gt=0, le=3600, description="After which the night goes on without its tracker."
    )


class Settings(BaseSettings):
    """All settings of a night. Tables merge key by key: defaults, file, environment, then `--set`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="RECS_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    run: RunSettings = RunSettings()
    resources: ResourcesSettings = ResourcesSettings()
    data: DataSettings = DataSettings()
    utility: UtilitySettings = UtilitySettings()
    split: SplitSettings = SplitSettings()
    judge: JudgeSettings = JudgeSettings()
    models: ModelsSettings = ModelsSettings()
    blend: BlendSettings = BlendSettings()
    ranking: RankingSettings = RankingSettings()
    recommend: RecommendSettings = RecommendSettings()
    check: CheckSettings = CheckSettings()
    publish: PublishSettings = PublishSettings()
    tracking: TrackingSettings = TrackingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    warm_start: WarmStartSettings = WarmStartSettings()
    notify: NotifySettings = NotifySettings()
    retention: RetentionSettings = RetentionSettings()
    engine: EngineSettings = EngineSettings()

    @property
    def ensembles(self) -> dict[str, BlendSettings | RankingSettings]:
        """The settings of each ensemble, in the order in which they are learned."""
        return {"two_stage": self.ranking, "blend": self.blend}

    def candidates_of(self, model: str) -> int:
        """Return how many items of a model's lists its ensembles rank; 0 if it is a member of none."""
        asked = (each for each in self.ensembles.values() if model in each.members_of(self.models.shelf))
        return max((each.candidates for each in asked), default=0)

    @model_validator(mode="after")
    def _a_like_lies_on_the_scale(self) -> Settings:
        least, greatest, liked = self.data.rating_min, self.data.rating_max, self.utility.relevant_rating
        scale = f"the scale, data.rating_min {least:g} to data.rating_max {greatest:g}"
        advice = f"set it to the least rating that is a like, such as {usual_like(least, greatest):g}"
        if not least <= liked <= greatest:
            raise ValueError(f"utility.relevant_rating {liked:g} lies outside {scale}: {advice}")
        if least < liked < least + _LOW_SHARE * (greatest - least):
            raise ValueError(
                f"utility.relevant_rating {liked:g} lies at the very bottom of {scale}, so that nearly every rating "
                f"would be a like: {advice}, or to {least:g} if every rating is"
            )
        return self
