"""The demo data set: same bytes from the same seed, exact counts, and measured similarity to real data."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tasks.datasets.synthetic import generate, in_order
from tasks.datasets.synthetic.catalogue import TAGS
from tasks.datasets.synthetic.generate import FILES, GeneratedCounts, generate_demo
from tasks.datasets.synthetic.taste_model import END, START
from tasks.datasets.synthetic.users import Habits
from tasks.datasets.synthetic.vocabulary import GENDERS, GENRES, NO_GENRES, REGIONS
from tasks.errors import NightError, UsageError
from tests.examples import examples

SMALL = {"users": 60, "items": 200, "ratings": 1500, "tags": 90}


class Demo(NamedTuple):
    counts: GeneratedCounts
    ratings: pd.DataFrame
    tags: pd.DataFrame
    movies: pd.DataFrame
    events: pd.DataFrame
    users: pd.DataFrame
    links: pd.DataFrame
    relations: pd.DataFrame


def read(folder: Path, counts: GeneratedCounts) -> Demo:
    ratings, movies, events = (
        pd.read_csv(folder / f"{name}.csv") for name in ("ratings", "movies", "events")
    )
    columns = ["userId", "movieId", "tag", "timestamp"]
    tags = pd.read_csv(folder / "tags.csv") if counts.tags else pd.DataFrame(columns=columns)
    users, relations = (pd.read_csv(folder / f"{name}.csv") for name in ("users", "relations"))
    columns = ["userId", "friendId", "timestamp"]
    links = pd.read_csv(folder / "links.csv") if counts.links else pd.DataFrame(columns=columns)
    return Demo(counts, ratings, tags, movies, events, users, links, relations)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("data") / "demo"
    return read(folder, generate_demo(folder))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


# -- the same bytes, all or nothing -----------------------------------------------------------------------


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate_demo(tmp_path / name, seed=seed, **SMALL)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert all(digests(tmp_path / "a")[name] != digests(tmp_path / "c")[name] for name in FILES)


def test_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """A change here is a new demo: the figures in the documentation and in benchmarks change with it."""
    generate_demo(tmp_path / "demo", **SMALL)
    together = hashlib.sha256(b"".join((tmp_path / "demo" / name).read_bytes() for name in FILES))
    assert together.hexdigest() == "7578e366725570d323358823c15b7ac434241af5b20605941aff0a23a58ffa82"


def test_an_existing_data_set_is_not_changed(tmp_path: Path) -> None:
    generate_demo(tmp_path / "demo", seed=1, **SMALL)
    before = digests(tmp_path / "demo")
    with pytest.raises(UsageError, match="is not empty"):
        generate_demo(tmp_path / "demo", seed=2, **SMALL)
    assert digests(tmp_path / "demo") == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "make_tags", disk_full)
    with pytest.raises(NightError, match="No space left"):
        generate_demo(tmp_path / "demo", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_counts_are_formatted() -> None:
    counts = GeneratedCounts(
        users=300, items=500, ratings=9000, tags=500, events=2000, links=1200, relations=999
    )
    assert (
        str(counts)
        == "300 users, 500 items, 9,000 ratings, 500 tags, 2,000 events, 1,200 links, 999 relations"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratings": 299}, "299 ratings do not fit"),
        ({"ratings": 60 * 80 + 1}, "4801 ratings do not fit"),
        ({"tags": 3001}, "3001 tags do not fit"),
        ({"items": 10}, "at least 1 user and 15 items"),
        ({"users": 0}, "at least 1 user and 15 items"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path: Path, change: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate_demo(tmp_path / "demo", **{**SMALL, **change})
    assert not (tmp_path / "demo").exists()


def test_without_tags_the_other_files_are_the_same(tmp_path: Path) -> None:
    generate_demo(tmp_path / "with", **SMALL)
    counts = generate_demo(tmp_path / "without", **{**SMALL, "tags": 0})
    expected = {name: digest for name, digest in digests(tmp_path / "with").items() if name != "tags.csv"}
    assert digests(tmp_path / "without") == expected
    assert counts.tags == 0


def test_without_events_the_other_files_are_the_same(tmp_path: Path) -> None:
    generate_demo(tmp_path / "with", **SMALL)
    counts = generate_demo(tmp_path / "without", events=False, **SMALL)
    expected = {name: digest for name, digest in digests(tmp_path / "with").items() if name != "events.csv"}
    assert digests(tmp_path / "without") == expected
    assert counts.events == 0


def test_bytes_do_not_depend_on_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "BLOCK_RATINGS", 100)
    for threads in (1, 3):
        monkeypatch.setattr(in_order, "count_threads", lambda n=threads: n)
        generate_demo(tmp_path / f"{threads}", **SMALL)
    assert digests(tmp_path / "1") == digests(tmp_path / "3")


def test_habits_decide_stars_and_the_least_activity(tmp_path: Path) -> None:
    habits = Habits(least=20, spread=0.3, only_whole_stars=True)
    counts = generate_demo(tmp_path / "demo", habits=habits, **SMALL)
    ratings = read(tmp_path / "demo", counts).ratings
    assert set(ratings.rating) <= {1, 2, 3, 4, 5}
    assert ratings.groupby("userId").size().min() >= 20
    with pytest.raises(UsageError) as refused:
        generate_demo(tmp_path / "few", habits=habits, **{**SMALL, "ratings": 1199})
    assert refused.value.hint == "Ask for 1200 to 4800 ratings: 20 to 80 a user."


def test_progress_ends_at_the_number_of_ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "BLOCK_RATINGS", 400)
    calls: list[tuple[int, int]] = []
    generate_demo(tmp_path / "demo", progress=lambda done, total: calls.append((done, total)), **SMALL)
    assert len(calls) > 3
    assert calls == sorted(calls)
    assert calls[-1] == (1500, 1500)


def test_memory_does_not_grow_with_the_ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "BLOCK_RATINGS", 2_500)

    def peak(ratings: int) -> int:
        tracemalloc.start()
        generate_demo(tmp_path / f"demo-{ratings}", users=300, items=800, ratings=ratings, tags=300)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(30_000) < 1.3 * peak(3_000)


# -- invariants -------------------------------------------------------------------------------------------


@settings(max_examples=examples(15))
@given(
    users=st.integers(1, 40),
    items=st.integers(15, 120),
    fill=st.floats(0, 1),
    tag_fill=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_invariants_hold_at_any_size(
    tmp_path_factory: pytest.TempPathFactory, users: int, items: int, fill: float, tag_fill: float, seed: int
) -> None:
    most = 2 * items // 5
    ratings = 5 * users + int(fill * (most - 5) * users)
    tags = int(tag_fill * 2 * ratings)
    folder = tmp_path_factory.mktemp("any") / "demo"
    counts = generate_demo(folder, users=users, items=items, ratings=ratings, tags=tags, seed=seed)
    demo = read(folder, counts)
    made = len(demo.events), len(demo.links), len(demo.relations)
    assert counts == GeneratedCounts(users, items, ratings, tags, *made)
    check_invariants(demo, most)


def check_invariants(demo: Demo, most: int) -> None:
    ratings, tags, movies, events = demo.ratings, demo.tags, demo.movies, demo.events
    assert (len(ratings), len(tags), len(movies)) == (
        demo.counts.ratings,
        demo.counts.tags,
        demo.counts.items,
    )
    activity = ratings.groupby("userId").size()
    assert activity.index.tolist() == list(range(1, demo.counts.users + 1))
    assert activity.between(5, most).all()
    assert not ratings.duplicated(["userId", "movieId"]).any()
    assert set(ratings.rating) <= set(np.arange(1, 11) / 2)
    assert movies.movieId.tolist() == list(range(1, demo.counts.items + 1))
    assert movies.title.is_unique
    assert movies.title.str.fullmatch(r".+ \((19|20)\d\d\)").all()
    assert set("|".join(movies.genres).split("|")) <= {*GENRES, NO_GENRES}
    assert (movies.title.str[-5:-1].astype(int) == movies.year).all()
    check_what_is_known(demo)
    assert not tags.duplicated().any()
    assert not tags.duplicated(["userId", "movieId", "tag"]).any()
    assert set(tags.tag) <= set(TAGS)
    tagged = tags.merge(ratings, on=["userId", "movieId"], suffixes=("", "_rated"))
    assert len(tagged) == len(tags)
    assert (tagged.timestamp > tagged.timestamp_rated).all()
    assert set(events.event) <= {"watch", "like", "share", "comment"}
    assert (events.value[events.event != "watch"] == 1).all()
    assert events.value[events.event == "watch"].between(0.05, 3).all()
    for frame in (ratings, tags, events):
        assert frame.timestamp.between(START, END + 86_400).all()
        seen = frame.rename(columns={"itemId": "movieId"}).merge(movies, on="movieId")
        year = seen.title.str[-5:-1].astype(int)
        assert (pd.to_datetime(seen.timestamp, unit="s").dt.year >= year).all(), "seen before its release"


def check_what_is_known(demo: Demo) -> None:
    """Users with newcomers, links among them, and relations that agree with the catalogue."""
    users, links, relations = demo.users, demo.links, demo.relations
    assert users.userId.tolist() == list(range(1, demo.counts.users + demo.counts.users // 50 + 1))
    assert users.age.between(14, 80).all()
    assert set(users.gender.dropna()) <= set(GENDERS)
    assert set(users.region) <= set(REGIONS)
    assert (links.userId < links.friendId).all()
    assert links.friendId.max() <= len(users) or links.empty
    assert not relations.duplicated().any()
    nodes = "item:" + demo.movies.movieId.astype(str)
    of = {name: part.set_index("head")["tail"] for name, part in relations.groupby("relation")}
    assert of.keys() <= {"directed_by", "part_of", "sequel_of", "filmed_in"}
    assert of["directed_by"].tolist() == demo.movies.director.tolist()
    assert of["directed_by"].index.tolist() == of["filmed_in"].index.tolist() == nodes.tolist()
    if "sequel_of" in of:
        sequels, series = of["sequel_of"], of["part_of"]
        assert (series[sequels.index].to_numpy() == series[sequels].to_numpy()).all()
        assert len(series) - len(sequels) == series.nunique(), "all but the first are sequels"
        titles = demo.movies.title.set_axis(nodes)
        assert all(titles[item].startswith(name) for item, name in series.items())


def test_invariants_hold_for_the_default_demo(demo: Demo) -> None:
    assert (demo.counts.users, demo.counts.items) == (2000, 3000)
    assert (demo.counts.ratings, demo.counts.tags) == (200_000, 20_000)
    check_invariants(demo, 1200)


# -- like real data -----------------------------------------------------------------------------------------


def test_ratings_are_distributed_like_real_ones(demo: Demo) -> None:
    share = demo.ratings.rating.value_counts(normalize=True)
    assert share.idxmax() == 4.0
    assert 3.4 < demo.ratings.rating.mean() < 3.6
    assert share.index.isin([1.0, 2.0, 3.0, 4.0, 5.0]) @ share.to_numpy() > 0.6, "whole stars are more common"


def test_activity_and_popularity_have_long_tails(demo: Demo) -> None:
    activity = demo.ratings.groupby("userId").size()
    popularity = demo.ratings.groupby("movieId").size().sort_values(ascending=False)
    assert (activity < 100).mean() > 0.6
    assert (activity >= 1000).sum() >= 3
    assert popularity.head(300).sum() > 0.4 * len(demo.ratings)
    assert (popularity < popularity.mean() / 3).mean() > 0.2


def test_users_and_items_appear_late_and_new_items_fade(demo: Demo) -> None:
    half = (START + END) // 2
    first_by_user = demo.ratings.groupby("userId").timestamp.min()
    first_by_item = demo.ratings.groupby("movieId").timestamp.min()
    assert (first_by_user > half).mean() > 0.3
    assert (first_by_item > half).mean() > 0.15
    age = (demo.ratings.timestamp - demo.ratings.movieId.map(first_by_item)) / 86_400
    new = demo.ratings.movieId.map(first_by_item).between(half, half + 365 * 86_400)
    month = (demo.ratings.timestamp - START) // (30 * 86_400)
    share = 1 / month.map(
        month.value_counts()
    )  # the audience grows: count shares of all ratings of that month
    assert share[new & age.between(0, 180)].sum() > 1.4 * share[new & age.between(365, 545)].sum()


def test_tags_and_genres_agree_with_taste(demo: Demo) -> None:
    genres = demo.movies.set_index("movieId").genres
    space = genres[demo.tags.movieId[demo.tags.tag == "space opera"]].str.contains("Sci-Fi").mean()
    assert space > 5 * genres.str.contains("Sci-Fi").mean() or space > 0.6
    drama = genres[demo.ratings.movieId].str.contains("Drama").to_numpy()
    share = pd.Series(drama).groupby(demo.ratings.userId.to_numpy()).mean()
    binomial = np.sqrt(drama.mean() * (1 - drama.mean()) / demo.ratings.groupby("userId").size().median())
    assert share.std() > 2 * binomial, "users differ in taste by more than chance"


def test_taste_drifts(demo: Demo) -> None:
    """A user's last third looks less like the first third than like the middle one."""
    genres = demo.movies.set_index("movieId").genres.str.get_dummies("|")
    by_user = demo.ratings.groupby("userId")
    stay = by_user.timestamp.transform("max") - by_user.timestamp.transform("min")
    ratings = demo.ratings[(by_user.userId.transform("size") >= 150) & (stay > 2 * 365 * 86_400)]
    third = ratings.groupby("userId").cumcount() * 3 // ratings.groupby("userId").userId.transform("size")
    taste = genres.loc[ratings.movieId].set_axis(ratings.index).groupby([ratings.userId, third]).mean()
    first, middle, last = (taste.xs(part, level=1).to_numpy() for part in range(3))
    assert np.abs(last - first).sum(1).mean() > 1.05 * np.abs(last - middle).sum(1).mean()


# -- personal models beat popularity ----------------------------------------------------------------------


@pytest.mark.parametrize("split", ["temporal", "leave_last"])
def test_item_cosine_beats_popularity(demo: Demo, split: str) -> None:
    ratings = demo.ratings.sort_values(["userId", "timestamp"])
    if split == "temporal":
        late = ratings.timestamp >= ratings.timestamp.quantile(0.9)
    else:
        size = ratings.groupby("userId").userId.transform("size")
        late = ratings.groupby("userId").cumcount() >= 0.8 * size
    liked = ratings.rating >= 3.5
    seen, train, test = (matrix(ratings[part], demo) for part in (~late, ~late & liked, late & liked))
    users = np.flatnonzero((seen.sum(1) > 0) & (test.sum(1) > 0))
    if split == "temporal":
        assert len(users) >= 600, "`auto` must choose the temporal split"
    popularity = np.asarray(train.sum(0))
    unit = train * (1 / np.sqrt(np.maximum(popularity, 1)))
    cosine = (unit.T @ unit).toarray() * (1 - np.eye(demo.counts.items))
    personal = ndcg(train[users] @ cosine, seen[users], test[users])
    general = ndcg(np.tile(popularity, (len(users), 1)), seen[users], test[users])
    difference = personal - general
    draws = np.random.default_rng(0).integers(0, len(users), (500, len(users)))
    assert np.quantile(difference[draws].mean(1), 0.025) > 0.03
    assert 1.5 < personal.mean() / general.mean() < 4
    assert personal.mean() < 0.4, "too good to be realistic"


def matrix(frame: pd.DataFrame, demo: Demo) -> sparse.csr_array:
    shape = (demo.counts.users, demo.counts.items)
    return sparse.csr_array((np.ones(len(frame)), (frame.userId - 1, frame.movieId - 1)), shape=shape)


def ndcg(scores: np.ndarray, seen: sparse.csr_array, relevant: sparse.csr_array) -> np.ndarray:
    scores = np.where(seen.toarray() > 0, -np.inf, scores)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = np.take_along_axis(relevant.toarray(), top, axis=1)
    discount = 1 / np.log2(np.arange(2, 12))
    return hits @ discount / np.cumsum(discount)[np.minimum(relevant.sum(1), 10).astype(int) - 1]
