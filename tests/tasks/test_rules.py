"""Rules of single items: what counts when, which items and places they mean, and what a database refuses."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tasks.rules import Rule, by_index
from tasks.targets.base import Target
from tasks.targets.registry import open_target
from tests.tasks.published_lists import BIGINTS, OWNER, TEXTS

CHRISTMAS = date(2026, 12, 25)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "lists.db"
    with open_target(f"sqlite:///{path}", owner=OWNER) as target:
        target.claim(BIGINTS)
    return path


@pytest.fixture
def target(database: Path) -> Iterator[Target]:
    with open_target(f"sqlite:///{database}", owner=OWNER) as opened:
        yield opened


def edit(database: Path, *statements: str) -> None:
    """What an editor types into sqlite3."""
    con = sqlite3.connect(database)
    for statement in statements:
        con.execute(f"insert into item_rules {statement}")
    con.commit()
    con.close()


def test_the_table_is_empty_at_first(target: Target) -> None:
    assert target.item_rules(CHRISTMAS) == ()


def test_an_editor_writes_rules_while_a_night_has_the_database_open(target: Target, database: Path) -> None:
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


def test_both_days_are_included(target: Target, database: Path) -> None:
    edit(database, "(rule, item_id, valid_from, valid_until) values ('pin', 4, '2026-12-24', '2026-12-25')")
    days = [date(2026, 12, day) for day in (23, 24, 25, 26)]
    assert [len(target.item_rules(day)) for day in days] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "nonsense",
    [
        "(rule, item_id) values ('hide', 1)",
        "(rule) values ('block')",
        "(rule, item_id) values ('boost', 1)",
        "(rule, item_id, strength) values ('block', 1, 2)",
        "(rule, item_id, strength) values ('boost', 1, 'much')",
        "(rule, item_id, position) values ('pin', 1, 0)",
        "(rule, item_id, position) values ('pin', 1, 'top')",
        "(rule, item_id, position) values ('block', 1, 1)",
        "(rule, item_id, valid_from) values ('block', 1, '24.12.2026')",
        "(rule, item_id, valid_from) values ('block', 1, '2026-12-24 10:00')",
        "(rule, item_id, valid_from, valid_until) values ('block', 1, '2026-12-24', '2026-12-23')",
    ],
)
def test_what_makes_no_sense_is_refused_as_it_is_written(database: Path, nonsense: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        edit(database, nonsense)


def test_ids_may_be_text(tmp_path: Path) -> None:
    with open_target(f"sqlite:///{tmp_path}/texts.db", owner=OWNER) as target:
        target.claim(TEXTS)
        edit(tmp_path / "texts.db", "(rule, item_id) values ('block', '007')")
        assert target.item_rules(CHRISTMAS) == (Rule("block", "007", None, None),)


def test_a_database_from_before_there_were_rules_gets_the_table_at_the_next_claim(database: Path) -> None:
    con = sqlite3.connect(database)
    con.executescript("drop table item_rules; update schema_version set version = 1;")
    con.close()
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        assert target.item_rules(CHRISTMAS) == ()
        target.claim(BIGINTS)
        edit(database, "(rule, item_id) values ('block', 1)")
        assert len(target.item_rules(CHRISTMAS)) == 1
    con = sqlite3.connect(database)
    assert con.execute("select version from schema_version").fetchall() == [(2,)]
    con.close()


def test_rules_of_unknown_items_are_named_and_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rules = (Rule("block", 99, None, None), Rule("pin", "x", 1, None), Rule("boost", 12, None, 1.0))
    with caplog.at_level(logging.WARNING):
        found = by_index(rules, [11, 12])
    assert caplog.messages == ["Rules name items that are not in the data: 99 (block), x (pin)."]
    assert (found.blocked.tolist(), found.pinned, found.boosts.tolist()) == ([False, False], {}, [0, 1])


def test_what_is_blocked_is_not_pinned_and_boosts_add_up() -> None:
    rules = (
        Rule("pin", 11, None, None),
        Rule("block", 11, None, None),
        Rule("boost", 12, None, 1.0),
        Rule("boost", 12, None, -0.25),
    )
    found = by_index(rules, [11, 12])
    assert (found.blocked.tolist(), found.pinned, found.boosts.tolist()) == ([True, False], {}, [0, 0.75])


def test_pins_stand_at_their_positions_and_the_others_on_top() -> None:
    positions = {11: None, 12: 2, 13: 2, 14: None, 15: 9, 16: 1}
    rules = tuple(Rule("pin", item, position, None) for item, position in positions.items())
    found = by_index(rules, [11, 12, 13, 14, 15, 16])
    by_place = {place: 11 + item for place, item in found.places(5).items()}
    assert by_place == {0: 16, 1: 12, 2: 13, 3: 11, 4: 14}, "15 stands beyond the end of this list"
