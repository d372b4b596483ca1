"""The parts of a snapshot that describe users and items: features, title words, links and relations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions
from tasks.artifacts import Snapshot, Split
from tasks.config.settings import Signal, SplitSettings, UtilitySettings
from tasks.preparation.holdout import hold_out
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.item_statistics import load_item_statistics
from tasks.preparation.split import make_split
from tasks.preparation.time_windows import order_of
from tasks.storage.warehouse import run_file
from tests.examples import examples
from tests.tasks.logs import AS_OF, Log, day, make_clean_tables

UTILITY = UtilitySettings()


class Built:
    """A snapshot before a cutoff, in memory."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        log: Log,
        *,
        cutoff: float = 50,
        method: str = "temporal",
        utility: UtilitySettings = UTILITY,
    ) -> None:
        make_clean_tables(con, log)
        chosen = SplitSettings.model_validate(
            {"method": method, "cutoff": day(cutoff).isoformat() if method == "temporal" else ""}
        )
        with TemporaryDirectory() as name:
            folder = Path(name)
            split = make_split(con, chosen, utility, as_of=AS_OF, key="", folder=folder)
            self.snapshot: Snapshot = build_snapshot(con, split, utility, key="", folder=folder)
            self.data = Interactions.load(folder)
            self.users = pq.read_table(folder / "users.parquet").to_pydict()
            self.items = pq.read_table(folder / "items.parquet").to_pydict()

    @property
    def links(self) -> dict[tuple[object, object], float]:
        """(user, friend) → weight."""
        if self.data.links is None:
            return {}
        ids, matrix = self.users["user_id"], self.data.links.tocoo()
        return {(ids[u], ids[f]): w for u, f, w in zip(*matrix.coords, matrix.data.tolist(), strict=True)}


def rated(users: range, items: range = range(1), at: float = 1) -> list[tuple[int, int, float, float]]:
    return [(user, item, 4.0, at) for user in users for item in items]


def of_items(built: Built) -> dict[int, set[str]]:
    """Item → its features."""
    names, matrix = np.array(built.data.feature_names), built.data.item_features
    return {item: set(names[matrix[[row]].indices]) for row, item in enumerate(built.items["item_id"])}


def of_users(built: Built) -> dict[int, set[str]]:
    """User → features."""
    names, matrix = np.array(built.data.user_feature_names), built.data.user_features
    assert matrix is not None
    return {user: set(names[matrix[[row]].indices]) for row, user in enumerate(built.users["user_id"])}


def test_data_without_descriptions_have_none(con: duckdb.DuckDBPyConnection) -> None:
    built = Built(con, Log(ratings=rated(range(3)), items=[(0, None, ["Drama"])]))
    data = built.data
    assert (data.title_words, data.user_features, data.links, data.relations) == (None, None, None, None)
    assert built.users["is_touched"] == [True] * 3


class TestFeatures:
    @settings(max_examples=examples(25))
    @given(st.lists(st.sampled_from([-3.0, 0.0, 0.5, *map(float, range(1, 30))]), min_size=1, max_size=60))
    def test_numbers_become_classes_of_equal_size(
        self, con: duckdb.DuckDBPyConnection, values: list[float]
    ) -> None:
        run_file(con, "warehouse/features/value_classes.sql")
        con.execute("create or replace temp table described (owner integer, name text, value text)")
        con.execute(
            "insert into described select range, 'n', value from (select unnest(range(len($values))) as range, "
            "unnest($values) as value)",
            {"values": [str(value) for value in values]},
        )
        found = dict(con.execute("select owner, feature from features_of_values('described')").fetchall())
        if len(set(values)) <= 12:
            expected = {n: f"n:{value:g}" for n, value in enumerate(values)}
            assert found == expected
            return
        at_most = np.searchsorted(np.sort(values), values, side="right")  # how many values are not above it
        classes = -(-8 * at_most // len(values))
        for place, value in enumerate(values):
            mine = [other for other, kind in zip(values, classes, strict=True) if kind == classes[place]]
            low, high = min(mine), max(mine)
            assert low <= value <= high
            assert found[place] == (f"n:{low:g}-{high:g}" if low < high else f"n:{low:g}")
        assert len(set(found.values())) <= 8

    @pytest.mark.parametrize(("n", "classes"), [(12, 12), (13, 8)])
    def test_more_than_twelve_numbers_become_classes(
        self, con: duckdb.DuckDBPyConnection, n: int, classes: int
    ) -> None:
        log = Log(
            ratings=rated(range(4 * n)), users=[(user, {"age": str(user % n)}) for user in range(4 * n)]
        )
        assert Built(con, log).snapshot.n_user_features == classes

    def test_a_column_with_a_word_in_it_is_no_number(self, con: duckdb.DuckDBPyConnection) -> None:
        log = Log(
            ratings=rated(range(40)),
            users=[
                (u, {"age": str(20 + u // 2), "zip": str(u // 2) if u < 38 else "K1A"}) for u in range(40)
            ],
        )
        found = of_users(Built(con, log))
        assert found[0] == {"age:20-21", "zip:0"}
        assert found[39] == {"age:37-39", "zip:K1A"}

    def test_features_of_a_single_user_are_left_out(self, con: duckdb.DuckDBPyConnection) -> None:
        """Users who are not in the snapshot do not count."""
        log = Log(
            ratings=rated(range(3)),
            users=[(0, {"g": "F", "c": "x"}), (1, {"g": "F", "c": "y"}), (2, {}), (9, {"c": "x"})],
        )
        built = Built(con, log)
        assert of_users(built) == {0: {"g:F"}, 1: {"g:F"}, 2: set()}
        assert built.snapshot.n_user_features == 1

    def test_the_most_frequent_categories_are_kept(self, con: duckdb.DuckDBPyConnection) -> None:
        n = 1001
        users = [(u, {"city": f"c{u % n:04}", "g": "F"}) for u in range(2 * n)] + [(2 * n, {"city": "c1000"})]
        names = Built(con, Log(ratings=rated(range(2 * n + 1)), users=users)).data.user_feature_names
        assert names == (*(f"city:c{c:04}" for c in (*range(999), 1000)), "g:F")

    def test_attributes_are_features_of_items(self, con: duckdb.DuckDBPyConnection) -> None:
        """An item that has nothing else is in the snapshot, too."""
        log = Log(
            ratings=rated(range(2), range(14)),
            items=[
                (0, None, ["Drama"], {"director": ["Lang", "Ozu"], "year": ["1990.0"]}),
                *((item, None, [], {"year": [str(1990 + item)]}) for item in range(1, 16)),
                (16, None, [], {"director": ["Ozu"]}),
                (17, None, [], {}),
            ],
        )
        built = Built(con, log)
        assert of_items(built)[0] == {"genre:Drama", "director:Lang", "director:Ozu", "year:1990-1991"}
        assert of_items(built)[15] == {"year:2004-2005"}
        assert built.items["item_id"][14:] == [14, 15, 16]
        assert built.snapshot.n_untouched == 3
        assert set(built.data.item_features.data) == {1.0}


class TestTitleWords:
    def test_words_are_counted_by_item(self, con: duckdb.DuckDBPyConnection) -> None:
        titles = {
            0: "The Quiet Harbour, the quiet (1994)", 1: "Quiet! - 1994", 2: "Harbour 1994 [2001]", 3: "L'Été (1994)",
            4: "Été l'or", 5: None,
        }  # fmt: skip
        others = {item: f"The film{item}" for item in range(6, 60)}
        log = Log(
            ratings=rated(range(2), range(60)),
            items=[(item, title, []) for item, title in {**titles, **others}.items()],
        )
        data = Built(con, log).data
        assert data.title_words is not None
        assert data.title_word_names == ("1994", "harbour", "quiet", "été")
        assert data.title_words[:6].toarray().tolist() == [
            [0, 1, 2, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0],
        ]  # fmt: skip
        assert data.title_words[6:].nnz == 0

    def test_titles_without_telling_words_have_no_column(self, con: duckdb.DuckDBPyConnection) -> None:
        data = Built(con, Log(ratings=rated(range(2)), items=[(0, "Solaris", [])])).data
        assert data.title_words is not None
        assert data.title_words.shape == (1, 0)


class TestLinks:
    LOG = Log(
        ratings=[*rated(range(1, 4)), (4, 0, 4.0, 60)],
        links=[
            (1, 2, 1.0, 10),
            (1, 2, 5.0, 60),
            (2, 3, 2.0, 50),
            (3, 8, 1.0, None),
            (8, 9, 1.0, 1),
            (1, 4, 1.0, 2),
        ],
    )

    def test_links_are_cut_at_the_cutoff(self, con: duckdb.DuckDBPyConnection) -> None:
        built = Built(con, self.LOG)
        expected = {(1, 2): 1.0, (3, 8): 1.0, (1, 4): 1.0}
        assert built.links == expected | {(f, u): w for (u, f), w in expected.items()}
        assert built.users == {
            "user_idx": [0, 1, 2, 3, 4],
            "user_id": [1, 2, 3, 4, 8],
            "is_touched": [True, True, True, False, False],
        }
        assert (built.snapshot.n_links, built.snapshot.n_untouched_users) == (3, 2)

    def test_links_at_and_after_the_cutoff_change_nothing(self, con: duckdb.DuckDBPyConnection) -> None:
        past = [row for row in self.LOG.links if row[-1] is None or row[-1] < 50]
        honest = Built(con, replace(self.LOG, links=past))
        other = Built(
            con, replace(self.LOG, links=[*past, (1, 2, 9.0, 50), (2, 77, 1.0, 51), (3, 8, 7.0, 200)])
        )
        assert (other.links, other.users) == (honest.links, honest.users)

    def test_directed_links_lead_one_way(self, con: duckdb.DuckDBPyConnection) -> None:
        """A user without an interaction is there at either end of a link."""
        log = Log(
            ratings=rated(range(1, 3)), links=[(1, 2, 3.0, 1), (7, 1, 1.0, 1), (2, 8, 1.0, 1)], directed=True
        )
        built = Built(con, log)
        assert built.links == {(1, 2): 3.0, (7, 1): 1.0, (2, 8): 1.0}
        assert built.snapshot.n_links == 3

    def test_a_link_lies_before_the_cutoffs_of_both_users(self, con: duckdb.DuckDBPyConnection) -> None:
        """With leave_last each user has another one; users without an interaction have none."""
        begin = {1: 10, 2: 60, 3: 10}
        ratings = [(user, item, 4.0, at + item) for user, at in begin.items() for item in range(5)]
        seen = [(1, 2, 5.0, 12), (1, 8, 2.0, 13), (2, 8, 3.0, 63)]
        hidden = [(1, 2, 1.0, 20), (2, 3, 1.0, 20), (2, 9, 4.0, 64)]
        built = Built(con, Log(ratings=ratings, links=seen + hidden), method="leave_last")
        one_way = {pair: weight for pair, weight in built.links.items() if pair[0] < pair[1]}
        assert one_way == {row[:2]: row[2] for row in seen}

    def test_all_links_before_as_of_count_in_a_random_split(self, con: duckdb.DuckDBPyConnection) -> None:
        log = Log(
            ratings=rated(range(1, 4), range(10)),
            links=[(1, 2, 1.0, 99), (1, 2, 3.0, 99.5), (2, 3, 1.0, 101)],
        )
        assert Built(con, log, method="random").links == {(1, 2): 3.0, (2, 1): 3.0}

    def test_tuning_sees_no_link_of_what_the_night_holds_out(self, con: duckdb.DuckDBPyConnection) -> None:
        make_clean_tables(con, self.LOG)
        with TemporaryDirectory() as name:
            folder = Path(name)
            chosen = SplitSettings(method="temporal", cutoff=day(50).isoformat())
            split = make_split(con, chosen, UTILITY, as_of=AS_OF, key="", folder=folder)
            past = con.cursor()
            order_of(past, split)
            cutoffs = str(folder / "cutoffs.parquet")
            run_file(past, "warehouse/split/hide_held_out.sql", cutoffs_path=cutoffs, cutoff=split.cutoff)
        found = past.execute(
            "select user_id, friend_id, weight, superseded_at from links order by all"
        ).fetchall()
        assert found == [(1, 2, 1.0, None), (1, 4, 1.0, None), (3, 8, 1.0, None), (8, 9, 1.0, None)]


class TestUntouchedUsers:
    """Users who only have a link: figures of users are not distorted by them."""

    FRIENDS = tuple((1, friend, 1.0, 1) for friend in range(100, 140))

    @pytest.fixture
    def judged(self, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> tuple[Split, Snapshot, Path]:
        ratings = [*rated(range(1, 9), range(4)), (1, 3, 4.0, 60), (100, 3, 4.0, 60), (101, 2, 5.0, 60)]
        log = Log(
            ratings=[row for row in ratings if row[:2] != (1, 3) or row[-1] == 60], links=list(self.FRIENDS)
        )
        make_clean_tables(con, log)
        chosen = SplitSettings(method="temporal", cutoff=day(50).isoformat())
        split = make_split(con, chosen, UTILITY, as_of=AS_OF, key="", folder=tmp_path)
        return split, build_snapshot(con, split, UTILITY, key="", folder=tmp_path), tmp_path

    def test_held_out_users_without_history_stay_cold(
        self, con: duckdb.DuckDBPyConnection, judged: tuple[Split, Snapshot, Path]
    ) -> None:
        split, snapshot, folder = judged
        assert snapshot.n_untouched_users == 40
        made = hold_out(con, split, snapshot, UTILITY, seed=1, max_users=40_000, key="", folder=folder)
        assert (made.n_select + made.n_report, made.n_cold) == (1, 2)
        assert set(np.load(folder / "ratings.npz")["user_idx"]) == {0}

    def test_cold_users_with_a_link_keep_their_place(
        self, con: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """User 101 has a friend, user 50 has none; user 8 has a history."""
        late = [(50, 2, 5.0, 60), (101, 3, 5.0, 60), (101, 0, 5.0, 61), (8, 4, 5.0, 60), (1, 4, 5.0, 1)]
        log = Log(ratings=[*rated(range(1, 9), range(4)), *late], links=list(self.FRIENDS))
        make_clean_tables(con, log)
        chosen = SplitSettings(method="temporal", cutoff=day(50).isoformat())
        split = make_split(con, chosen, UTILITY, as_of=AS_OF, key="", folder=tmp_path)
        snapshot = build_snapshot(con, split, UTILITY, key="", folder=tmp_path)
        hold_out(con, split, snapshot, UTILITY, seed=1, max_users=40_000, key="", folder=tmp_path)
        ids = pq.read_table(tmp_path / "users.parquet")["user_id"].to_pylist()
        cold = np.load(tmp_path / "cold_users.npz")["user_idx"]
        assert cold.dtype == np.int32
        assert cold.tolist() == [-1, ids.index(101)], "in the order of the ids"
        assert sparse.load_npz(tmp_path / "cold_relevant.npz").toarray().tolist() == [
            [0, 0, 1, 0, 0],
            [1, 0, 0, 1, 0],
        ]
        assert [ids[user] for user in np.load(tmp_path / "users.npz")["user_idx"]] == [8]

    def test_popularity_is_a_share_of_users_with_an_interaction(
        self, con: duckdb.DuckDBPyConnection, judged: tuple[Split, Snapshot, Path]
    ) -> None:
        split, snapshot, folder = judged
        made = hold_out(con, split, snapshot, UTILITY, seed=1, max_users=40_000, key="", folder=folder)
        assert load_item_statistics(made).popularity.tolist() == [1, 1, 1, 7 / 8]
        segments = (folder / "segments.json").read_text()
        assert '"n": 8' in segments
        assert '"n": 48' not in segments

    def test_they_do_not_weigh_in_the_idf(self, con: duckdb.DuckDBPyConnection) -> None:
        log = Log(ratings=rated(range(1, 9), range(4)))
        idf = UtilitySettings(signals={"r": Signal(source="ratings", transform="item_idf")})
        alone = Built(con, log, utility=idf).data.composite
        beside = Built(con, replace(log, links=list(self.FRIENDS)), utility=idf).data.composite
        assert beside.shape[0] == alone.shape[0] + 40
        assert beside[: alone.shape[0]].toarray().tolist() == alone.toarray().tolist()


class TestRelations:
    LOG = Log(
        ratings=rated(range(2), range(10, 13)),
        items=[(5, None, ["Drama"])],
        relations=[
            (10, None, "by", None, "Ozu"),
            (12, None, "sequel_of", 5, None),
            (None, "Ada", "born_in", None, "Paris"),
            (99, None, "by", None, "Zoe"),
        ],
    )

    def test_items_come_before_entities(self, con: duckdb.DuckDBPyConnection) -> None:
        """Facts about items that are not there are left out; their entities stay."""
        built = Built(con, self.LOG)
        relations = built.data.relations
        assert relations is not None
        assert built.items["item_id"] == [5, 10, 11, 12]
        assert relations.entity_names == ("Ada", "Ozu", "Paris", "Zoe")
        assert relations.relation_names == ("born_in", "by", "sequel_of")
        assert relations.triples.tolist() == [[1, 1, 5], [3, 2, 0], [4, 0, 6]]
        assert (relations.n_items, built.snapshot.n_facts) == (4, 3)

    def test_facts_are_there_once_each(self, con: duckdb.DuckDBPyConnection) -> None:
        """Ids of items, relations and entities that are the same text are told apart."""
        log = replace(self.LOG, relations=[(10, None, "10", None, "10"), (None, "10", "10", 10, None)])
        relations = Built(con, log).data.relations
        assert relations is not None
        assert Counter(map(tuple, relations.triples.tolist())) == {(1, 0, 4): 1, (4, 0, 1): 1}
