"""The settings of the input files: where they are, how they are read, and what their values mean."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from models.settings_base import Options
from tasks.config.incoming_settings import IncomingSettings

ColumnName = Annotated[str, Field(min_length=1)]


def _listed(value: Any) -> Any:
    """Return the names in a text, separated by commas; any other value as it is."""
    return tuple(map(str.strip, value.split(","))) if isinstance(value, str) and value else value or ()


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for name in value if value.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it names the column {twice!r} twice")
    return value


ColumnNames = Annotated[tuple[ColumnName, ...], BeforeValidator(_listed), AfterValidator(_each_once)]
IdChoice = Literal["auto", "integer", "text"]
_SEPARATOR_NAMES = {"\\t": "\t", "tab": "\t"}  # as a shell or an environment variable may hold it

_NO_TIMES = "Empty: there are no times, and the later row of a file is the newer one."
_DELETED = "A column that says yes where a row deletes; without it, or if empty, no row does."


class FileSettings(Options):
    """Where the files of a source are, and how text files are read."""

    file: str  # the name of a file or folder, with or without suffix, or a pattern such as *.jsonl.gz
    optional: bool = Field(
        default=False, description="Whether the file may be absent although `file` names it."
    )
    format: Literal["auto", "json_lines"] = Field(
        default="auto",
        description="json_lines: one JSON object a line, whose keys are the columns. auto: text or Parquet.",
    )
    quotes: bool = Field(
        default=True, description='Whether the character " quotes values; false: it is like any other.'
    )
    time_format: str = Field(
        default="",
        description="How times are written if not as usual, by strptime, such as '%d/%m/%Y'; empty: as usual.",
    )
    columns: tuple[str, ...] = Field(
        default=(),
        description="Of files without a header: their columns, in order; '...' last stands for any others. "
        "Empty: there is a header.",
    )
    separator: str = Field(
        default="", description="Between columns, 1 to 4 bytes; empty: by the suffix, else by the header."
    )
    encoding: str = Field(default="auto", description="auto: UTF-8, or what the byte order mark says.")

    @field_validator("file")
    @classmethod
    def _file_is_in_the_folder(cls, value: str) -> str:
        if not value.strip() or Path(value).is_absolute() or ".." in Path(value).parts:
            raise ValueError("it names a file or folder within the dataset's folder, such as ratings.csv")
        return value

    @field_validator("columns", mode="before")
    @classmethod
    def _columns_may_be_separated_by_commas(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for name in value if value.count(name) > 1 and name not in ("", "_", "-")), None)
        if twice is not None:
            raise ValueError(
                f"the column {twice!r} is named twice; give each column of the file its own name"
            )
        return value

    @field_validator("separator")
    @classmethod
    def _separator_can_separate(cls, value: str) -> str:
        value = _SEPARATOR_NAMES.get(value.lower(), value)
        if len(value.encode()) > 4 or any(character in value for character in '"\r\n\0'):
            raise ValueError("it takes 1 to 4 bytes without quote or line end, such as ';', '\\t' or '::'")
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, value: str) -> str:
        if value == "auto":
            return value
        try:
            "a".encode(value).decode(value)
            name = codecs.lookup(value).name
        except (LookupError, UnicodeError, ValueError):
            raise ValueError(
                "it takes auto or a name such as utf-8, cp1252, latin-1, utf-16, gb18030"
            ) from None
        return name


class RatingsColumns(FileSettings):
    """The ratings: their files and column names."""

    file: str = "ratings"
    user: ColumnName = "userId"
    item: ColumnName = "movieId"
    rating: ColumnName = "rating"
    timestamp: str = Field(default="timestamp", description=_NO_TIMES)
    deleted: str = Field(default="deleted", description=_DELETED)
    not_rated: tuple[float | str, ...] = Field(
        default=(),
        description="Values that are no rating, such as [0] or [-1]: the item counts as seen, without a rating.",
    )

    @field_validator("not_rated", mode="before")
    @classmethod
    def _not_rated_may_be_one_value(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)


class TagsColumns(FileSettings):
    """The tags: their files and column names."""

    file: str = "tags"
    user: ColumnName = "userId"
    item: ColumnName = "movieId"
    tag: ColumnName = "tag"
    timestamp: str = Field(default="timestamp", description=_NO_TIMES)
    deleted: str = Field(default="deleted", description=_DELETED)


class EventsColumns(FileSettings):
    """The events: their files and column names. Without a value column, values are 1."""

    file: str = "events"
    user: ColumnName = "userId"
    item: ColumnName = "itemId"
    event: str = Field(
        default="event", description="Empty: every row is the event that `constant_event` names."
    )
    constant_event: str = Field(
        default="", description="The event of every row of a file without an event column, such as view."
    )
    value: str = "value"
    timestamp: str = Field(default="timestamp", description=_NO_TIMES)
    deleted: str = Field(default="deleted", description=_DELETED)

    @model_validator(mode="after")
    def _an_event_has_a_name(self) -> EventsColumns:
        if not self.event and not self.constant_event.strip():
            raise ValueError('event is empty, so that constant_event must name the event, such as "view"')
        if self.event and self.constant_event:
            raise ValueError('constant_event goes with event = "": the events have a column or one name')
        return self


class ItemsColumns(FileSettings):
    """The catalogue: its files and column names. Title and genres are optional."""

    file: str = "movies"
    item: ColumnName = "movieId"
    title: str = "title"
    genres: str = "genres"
    genre_separator: str = Field(
        default="|",
        min_length=1,
        description="What stands between two genres, or two values of an attribute; lists such as "
        '["Drama", "Noir"] are read without it.',
    )
    attributes: ColumnNames = Field(
        default=(),
        description='Further columns that describe the items, such as ["director", "year"].',
    )

    @field_validator("attributes")
    @classmethod
    def _attributes_are_no_other_features(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        taken = next((name for name in value if name.partition(":")[0] in ("genre", "tag")), None)
        if taken is not None:
            raise ValueError(
                f"an attribute cannot be named {taken!r}: features named genre:… and tag:… are genres and tags; "
                "rename the column"
            )
        return value


class UsersColumns(FileSettings):
    """Files and column names of the attributes of users."""

    file: str = "users"
    user: ColumnName = "userId"
    features: ColumnNames = Field(
        default=(),
        description='The columns that describe the users, such as ["age", "gender"]; empty: all others.',
    )


class LinksColumns(FileSettings):
    """Links between users, such as friendships: their files and column names. Weight and timestamp are optional."""

    file: str = "links"
    user: ColumnName = "userId"
    friend: ColumnName = "friendId"
    weight: str = "weight"
    timestamp: str = Field(
        default="timestamp", description="Empty, or no such column: links have no time, and count at any."
    )
    directed: bool = Field(
        default=False, description="Whether a link leads from the user to the friend only."
    )


class RelationsColumns(FileSettings):
    """Facts about items, such as `item:17,directed_by,Ada Lang`: their files and column names."""

    file: str = "relations"
    head: ColumnName = "head"
    relation: ColumnName = "relation"
    tail: ColumnName = "tail"
    item_prefix: str = Field(
        default="item:",
        min_length=1,
        description="What the name of an item begins with, its id behind it; any other name is an entity.",
    )


class DataSettings(IncomingSettings):
    """Input files: where they are, how they are read, and how many rows may be rejected."""

    kind: Literal["snapshot", "append"] = "snapshot"
    rating_min: float = 0.5
    rating_max: float = 5.0
    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    max_future_days: int = Field(
        default=1, ge=0, le=100_000, description="A time later than its file's landing by more is rejected."
    )
    user_id: IdChoice = "auto"
    item_id: IdChoice = "auto"
    ratings: RatingsColumns = RatingsColumns()
    tags: TagsColumns = TagsColumns()
    events: EventsColumns = EventsColumns()
    items: ItemsColumns = ItemsColumns()
    users: UsersColumns = UsersColumns()
    links: LinksColumns = LinksColumns()
    relations: RelationsColumns = RelationsColumns()

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> DataSettings:
        if self.rating_min >= self.rating_max:
            raise ValueError(f"rating_min {self.rating_min} must lie below rating_max {self.rating_max}")
        return self

    @property
    def without_times(self) -> tuple[Literal["ratings", "tags", "events"], ...]:
        """The sources whose rows have no times."""
        columns: dict[Literal["ratings", "tags", "events"], str] = {
            "ratings": self.ratings.timestamp,
            "tags": self.tags.timestamp,
            "events": self.events.timestamp,
        }
        return tuple(source for source, column in columns.items() if not column)
