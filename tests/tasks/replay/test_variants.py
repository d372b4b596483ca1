"""The file of variants."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.replay.plan import Variant
from tasks.replay.variants import changes_of, read_variants

WEEK = timedelta(days=7)


def load(further: tuple[str, ...]) -> Settings:
    return load_settings(None, ("models.als.factors=8", *further))


def read(folder: Path, text: str) -> tuple[Variant, ...]:
    file = folder / "variants.toml"
    file.write_text(text, encoding="utf-8")
    return read_variants(file, WEEK, load)


def test_without_a_file_there_is_base_alone() -> None:
    [base] = read_variants(None, WEEK, load)
    assert (base.name, base.every) == ("base", WEEK)
    assert base.settings.model_dump() == load(()).model_dump()


def test_a_variant_lies_over_the_settings(tmp_path: Path) -> None:
    text = """
        [weekly]
        every = "4w"
        [big]
        models.als = {factors = 16, iterations = 3}
        recommend.backfill = "content"
        judge.k = [5, 10]
    """
    base, weekly, big = read(tmp_path, text)
    assert (base.name, weekly.name, big.name) == ("base", "weekly", "big")
    assert (weekly.every, big.every) == (timedelta(days=28), WEEK)
    assert weekly.settings.model_dump() == base.settings.model_dump()
    factors = [each.settings.models.config("als").factors for each in (base, big)]  # type: ignore[attr-defined]
    assert factors == [8, 16]
    assert (big.settings.recommend.backfill, big.settings.judge.k) == ("content", (5, 10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nmodels.als.factor = 3", r"Variant a: .*factor"),
        ("[a]\nmodels.als.factors = 0", r"Variant a: .*factors"),
        ("[a]\nmodells.als.factors = 3", r"Variant a: .*modells"),
        ("[a]\nfactors = 3", "Variant a: factors is no setting"),
        ("[a]\ndata.rating_max = 10", "Variant a: the settings of data must be the same"),
        ("[a]\npublish.keep_runs = 3", "Variant a: a replay's lists do not depend on publish.keep_runs"),
        ("[a]\ncheck.min_overlap = 0", "lists do not depend on check.min_overlap"),
        ("[a]\nnotify.max_seconds = 3", "lists do not depend on notify.max_seconds"),
        ('[a]\nnotify.url = "json://u:hunter2@h"', r"lists do not depend on notify.url\.$"),
        ('[a]\nmonitoring.metrics_file = "a.prom"', "lists do not depend on monitoring.metrics_file"),
        ("[a]\nrun.seed = 3\nrun.parallel_fits = 2", r"lists do not depend on run.parallel_fits\.$"),
        ("[a]\nmodels.tuned = false", "lists do not depend on models.tuned"),
        ('[a]\nevery = "often"', "Variant a: every 'often' is no length of time"),
        ("[a]\nevery = 7", "Variant a: every 7 is no length of time"),
        ('every = "7d"', "every = '7d' in the file of variants belongs to no variant"),
        ("[base]\nrun.seed = 3", "cannot be called 'base'"),
        ('["../up"]\nrun.seed = 3', "cannot be called '../up'"),
        ("[a", "is not valid TOML"),
    ],
)
def test_bad_variants_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_the_changes_of_a_variant_are_named(tmp_path: Path) -> None:
    text = """
        [big]
        every = "4w"
        models.als.factors = 16
        warm_start.enabled = false
        [same]
    """
    base, big, same = read(tmp_path, text)
    assert changes_of(big, base) == "a night every 28 days, models.als.factors=16, warm_start.enabled=false"
    assert changes_of(same, base) == "nothing"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read: No such file"):
        read_variants(tmp_path / "nowhere.toml", WEEK, load)
