"""Rules of single items: when they are in force, which items and places they affect, what a database refuses."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target
from tasks.publication.targets.schema import SCHEMA_VERSION
from tasks.recommendation.item_rules import Rule, by_index, warn_of_rules_without_effect
from tests.tasks.publication.published_lists import BIGINTS, OWNER, TEXTS

CHRISTMAS = date(2026, 12, 25)

OLD_TABLE = """
drop table item_rules;
create table item_rules (
    rule_id integer not null primary key,
    rule text not null check (rule in ('block', 'pin', 'boost')),
    item_id bigint not null,
    position integer,
    strength double,
    valid_from date,
    valid_until date,
    note text,
    check (position is null or (rule = 'pin' and position >= 1)),
    check ((rule = 'boost') = (strength is not null)),
    check (strength between -10 and 10),
    check (valid_from <= valid_until),
    check (valid_from is date(valid_from)),
    check (valid_until is date(valid_until)),
    check (typeof(position) in ('integer', 'null')),
    check (typeof(strength) in ('real', 'null'))
);
"""
"""The table of an earlier version, which did not check days against the calendar."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "lists.db"
    with open_target(f"sqlite:///{path}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
    return path


@pytest.fixture
def target(database: Path) -> Iterator[Target]:
    with open_target(f"sqlite:///{database}", owner=OWNER) as opened:
        yield opened


def edit(database: Path, *statements: str) -> None:
    """Insert rules as an editor would with sqlite3."""
    con = sqlite3.connect(database)
    for statement in statements:
        con.execute(f"insert into item_rules {statement}")
    con.commit()
    con.close()


def test_the_table_is_empty_at_first(target: Target) -> None:
    assert target.item_rules(CHRISTMAS) == ()


def test_editors_can_write_rules_during_a_night(target: Target, database: Path) -> None:
    edit(
        database,
        "(rule, item_id, note) values ('block', 17, 'the rights have run out')",
        "(rule, item_id, position) values ('pin', 4, 2)",
        "(rule, item_id) values ('pin', 5)",
        "(rule, item_id, strength) values ('boost', 6, 0.5)",
    )
    assert target.item_rules(CHRISTMAS) == (
        Rule("block", 17, None, None),
        Rule("pin", 4, 2, None),
        Rule("pin", 5, None, None),
        Rule("boost", 6, None, 0.5),
    )


def test_a_rule_is_in_force_on_its_first_and_last_day(target: Target, database: Path) -> None:
    edit(database, "(rule, item_id, valid_from, valid_until) values ('pin', 4, '2026-12-24', '2026-12-25')")
    days = [date(2026, 12, day) for day in (23, 24, 25, 26)]
    assert [len(target.item_rules(day)) for day in days] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ("(rule, item_id) values ('hide', 1)", "rule_is_block_pin_or_boost"),
        ("(rule) values ('block')", "item_id"),
        ("(rule, item_id) values ('block', 'seventeen')", "item_id_is_a_whole_number"),
        ("(rule, item_id) values ('boost', 1)", "boost_has_a_strength"),
        ("(rule, item_id, strength) values ('block', 1, 2)", "only_a_boost_has_a_strength"),
        ("(rule, item_id, strength) values ('boost', 1, 'much')", "strength_is_a_number"),
        ("(rule, item_id, strength) values ('boost', 1, 11)", "strength_is_between_minus_10_and_10"),
        ("(rule, item_id, position) values ('pin', 1, 0)", "position_counts_from_1"),
        ("(rule, item_id, position) values ('pin', 1, 'top')", "position_is_a_whole_number"),
        ("(rule, item_id, position) values ('block', 1, 1)", "only_a_pin_has_a_position"),
        (
            "(rule, item_id, valid_from, valid_until) values ('block', 1, '2026-12-24', '2026-12-23')",
            "valid_from_is_not_after_valid_until",
        ),
    ],
)
def test_the_database_refuses_invalid_rules(database: Path, row: str, constraint: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=rf"failed: (item_rules\.)?{constraint}$"):
        edit(database, row)


@pytest.mark.parametrize("day", ["valid_from", "valid_until"])
@pytest.mark.parametrize(
    "written",
    [
        "24.12.2026",
        "2026-12-24 10:00",
        "2027-02-29",
        "2026-02-30",
        "2026-04-31",
        "2026-12-32",
        "0000-01-01",
        "-2026-01-01",
        "10000-01-01",
        "2026-1-1",
        "today",
        "",
        20261224,
    ],
)
def test_the_database_refuses_invalid_days(database: Path, day: str, written: str | int) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=f"{day}_is_a_day_as_2026_12_31$"):
        edit(database, f"(rule, item_id, {day}) values ('block', 1, {written!r})")


def test_the_database_accepts_every_day_of_a_leap_year(target: Target, database: Path) -> None:
    days = [date(year, 1, 1) + timedelta(number) for year in (2026, 2028) for number in range(365)]
    edit(database, *(f"(rule, item_id, valid_until) values ('block', 1, '{day}')" for day in days))
    assert len(target.item_rules(days[0])) == len(days)


def test_invalid_rows_of_an_older_table_are_left_out(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The table of an earlier version checks less."""
    con = sqlite3.connect(database)
    con.executescript(OLD_TABLE)
    con.close()
    edit(
        database,
        "(rule, item_id, valid_until) values ('block', 1, '2027-02-29')",
        "(rule, item_id, valid_from) values ('block', 2, '2026-12-24')",
        "(rule, item_id, valid_from) values ('block', 3, '0000-01-01')",
        "(rule, item_id) values ('block', x'04')",
        "(rule, item_id, valid_from) values ('block', 5, '2027-01-01')",
    )
    with open_target(f"sqlite:///{database}", owner=OWNER) as target, caplog.at_level(logging.WARNING):
        target.ensure_schema(BIGINTS)
        for _ in range(2):  # a night reads them twice: before it begins, and before it makes the lists
            assert target.item_rules(CHRISTMAS) == (Rule("block", 2, None, None),)
    assert caplog.messages == [
        f"A row of item_rules in {database} does not count: rule_id {row}: {wrong}."
        for row, wrong in (
            (1, "its valid_until '2027-02-29' is no day of the calendar"),
            (3, "its valid_from '0000-01-01' is no day of the calendar"),
            (4, "its item_id b'\\x04' is no id"),
        )
    ]


def test_ids_may_be_text(tmp_path: Path) -> None:
    with open_target(f"sqlite:///{tmp_path}/texts.db", owner=OWNER) as target:
        target.ensure_schema(TEXTS)
        edit(tmp_path / "texts.db", "(rule, item_id) values ('block', '007')")
        assert target.item_rules(CHRISTMAS) == (Rule("block", "007", None, None),)


def test_opening_an_older_database_creates_the_table(database: Path) -> None:
    con = sqlite3.connect(database)
    con.executescript("drop table item_rules; update schema_version set version = 1;")
    con.close()
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        assert target.item_rules(CHRISTMAS) == ()
        edit(database, "(rule, item_id) values ('block', 1)")
        assert len(target.item_rules(CHRISTMAS)) == 1
    con = sqlite3.connect(database)
    assert con.execute("select version from schema_version").fetchall() == [(SCHEMA_VERSION,)]
    con.close()


def test_rules_of_unknown_items_are_logged_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    rules = (Rule("block", 99, None, None), Rule("pin", "x", 1, None), Rule("boost", 12, None, 1.0))
    with caplog.at_level(logging.WARNING):
        found = by_index(rules, [11, 12])
    assert caplog.messages == ["Rules name items that are not in the data: 99 (block), x (pin)."]
    assert (found.blocked.tolist(), found.pinned, found.boosts.tolist()) == ([False, False], {}, [0, 1])


def test_blocked_items_are_not_pinned_and_boosts_add_up() -> None:
    rules = (
        Rule("pin", 11, None, None),
        Rule("block", 11, None, None),
        Rule("boost", 12, None, 1.0),
        Rule("boost", 12, None, -0.25),
    )
    found = by_index(rules, [11, 12])
    assert (found.blocked.tolist(), found.pinned, found.boosts.tolist()) == ([True, False], {}, [0, 0.75])


def test_pins_take_their_position_or_the_top() -> None:
    positions = {11: None, 12: 2, 13: 2, 14: None, 15: 9, 16: 1}
    rules = tuple(Rule("pin", item, position, None) for item, position in positions.items())
    found = by_index(rules, [11, 12, 13, 14, 15, 16])
    by_place = {place: 11 + item for place, item in found.places(5).items()}
    assert by_place == {0: 16, 1: 12, 2: 13, 3: 11, 4: 14}, "15 is pinned beyond the end of the list"


def test_the_first_of_two_pins_of_an_item_counts() -> None:
    found = by_index((Rule("pin", 11, 3, None), Rule("pin", 11, 1, None)), [11])
    assert found.pinned == {0: 3}


def test_rules_without_effect_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    rules = (
        Rule("boost", 11, None, 1.0),
        Rule("boost", 12, None, 1.0),
        Rule("boost", 13, None, -1.0),
        Rule("pin", 14, 2, None),
        Rule("pin", 15, 3, None),
    )
    found = by_index(rules, [11, 12, 13, 14, 15])
    with caplog.at_level(logging.WARNING):
        known = np.array([True, False, False, False, False])
        warn_of_rules_without_effect(found, known, "als", 2, [11, 12, 13, 14, 15])
    assert caplog.messages == [
        "Boosts have no effect on items that als does not know: 12.",
        "Pins find no place in lists of 2: 15 (at 3).",
    ]
