"""Public data sets whose size and habits of rating `recs generate --like` imitates."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from tasks.datasets.synthetic.users import DEFAULT_HABITS, Habits
from tasks.errors import UsageError


@dataclass(frozen=True)
class Size:
    """Size of a data set: users who rate, items of the catalogue, ratings and tags."""

    users: int = 2000
    items: int = 3000
    ratings: int = 200_000
    tags: int = 20_000

    def scaled(self, scale: float) -> Size:
        """Return `scale` times as many users, ratings and tags, and √`scale` times as many items.

        Catalogues grow more slowly than audiences; the ratings per user stay the same.
        """
        linear = {name: round(count * scale) for name, count in asdict(self).items()}
        return replace(Size(**linear), items=round(self.items * math.sqrt(scale)))


@dataclass(frozen=True)
class PublicSet:
    """Size of a public data set, and how its users rate."""

    size: Size
    habits: Habits


PUBLIC_SETS = {
    # Ratings a user: mean 166, median 96. Beyond the 20 of all users the spread is √(2 ln((166 − 20) / (96 − 20)))
    "ml-1m": PublicSet(
        Size(6_040, 3_706, 1_000_209, 0), Habits(least=20, spread=1.14, only_whole_stars=True)
    ),
    # 154 and 71; here 77. The habits are the default ones, so that these four numbers alone give the same bytes
    "ml-25m": PublicSet(Size(162_541, 62_423, 25_000_095, 1_093_360), DEFAULT_HABITS),
    # 209 and 96
    "netflix": PublicSet(
        Size(480_189, 17_770, 100_480_507, 0), Habits(least=1, spread=1.25, only_whole_stars=True)
    ),
}


def imitated(name: str | None, **given: int | None) -> tuple[Size, Habits]:
    """Return size and habits of a data set to generate.

    Args:
        name: of a public data set to imitate; None for the demo's size and habits.
        given: fields of `Size` that win over its own; None does not.

    Raises:
        UsageError: there is no such data set.
    """
    if name is not None and name not in PUBLIC_SETS:
        raise UsageError(
            f"--like takes {', '.join(PUBLIC_SETS)} (given: {name}).",
            "For other sizes: --users, --items, --ratings and --tags.",
        )
    like = PUBLIC_SETS[name] if name else PublicSet(Size(), DEFAULT_HABITS)
    return replace(
        like.size, **{field: count for field, count in given.items() if count is not None}
    ), like.habits
