"""An id that is text is found and blanked wherever it stands, but not as a part of another user's id."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest

from tasks.forgetting.mentions import Mentions, is_own_word
from tasks.forgetting.subject import subject_of
from tests.tasks.inputs import LENIENT

LONGER = ("user-10", "user-19", "xuser-1", "user-1.de", "somebody-else")


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ("incoming/ratings-user-1.csv", "incoming/ratings-(forgotten).csv"),
        ("ratingsuser-1_2026", "ratings(forgotten)_2026"),
        ("user-10, user-19 and xuser-1", None),
        ("user-18", "(forgotten)8"),
        ("user-1.de", None),
        ("user-1.csv: user-1", "(forgotten).csv: (forgotten)"),
        ("7 of 17 rows", None),
        ("", None),
    ],
)  # fmt: skip
def test_an_id_is_blanked_but_not_within_a_longer_one(text: str, blanked: str | None) -> None:
    mentions = Mentions(["user-1"], LONGER)
    assert mentions.blank(text) == (text if blanked is None else blanked)
    assert mentions.in_text(text) == (blanked is not None)
    assert mentions.in_bytes(text.encode()) == (blanked is not None)
    assert any(re.search(pattern, text.encode()) for _, pattern in mentions.patterns) == (blanked is not None)


def test_without_longer_ids_every_place_counts() -> None:
    assert Mentions(["user-1"]).blank("xuser-10") == "x(forgotten)0"


@pytest.mark.parametrize("user", ["o'neil & <ann>", 'quote"d-id', "zoë-müller", "a.b*c(d)[e]"])
def test_an_id_is_found_however_files_hold_it(user: str) -> None:
    mentions = Mentions([user], [f"{user}é", f"{user}&"])
    for written in (user, html.escape(user), json.dumps(user)):
        assert mentions.in_bytes(b"\0x" + written.encode() + b"\0")
    assert mentions.in_bytes(np.array([user, "x"]).tobytes())
    assert not mentions.in_bytes(np.array([f"{user}é", "x"]).tobytes())
    assert not mentions.in_bytes(f"{user}é {html.escape(user + '&')}".encode())
    assert not mentions.in_bytes(user[1:].encode())


def test_several_ids_may_be_parts_of_each_other() -> None:
    mentions = Mentions(["user-1", "user-10"], ["user-1", "user-10", "user-100"])
    assert mentions.blank("user-1 user-10 user-100") == "(forgotten) (forgotten) user-100"
    assert Mentions(["user-1", "user-10"]).blank("user-1 user-10") == "(forgotten) (forgotten)"


def test_words_of_the_product_are_not_searched_byte_by_byte() -> None:
    """They stand in every record, and taking them out would break it."""
    users = ["champion", "user_id", "anna-lovelace", "champion-7", "xylophonist"]
    assert subject_of(users, (), ("TEXT", "TEXT"), LENIENT).texts == tuple(users[2:])
    assert is_own_word("hampio")
    assert not is_own_word("2026-11")


def test_no_id_is_found_nowhere() -> None:
    mentions = Mentions([])
    assert (bool(mentions), mentions.in_text("x"), mentions.in_bytes(b"x")) == (False, False, False)
