"""`recs replay`: bad input is refused before anything changes, and the output of a small replay."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import UsageError
from tests.flows.cli.invoke import invoke

SETTINGS = (
    "--set", "recommend.n=10", "--set", "judge.bootstrap_samples=200", "--set", "blend.enabled=false",
    "--models", "popularity",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate_demo(folder, users=60, items=80, ratings=1500, tags=50, seed=7)
    return folder


def replay(world: Path, home: Path, since: str, until: str, *more: str) -> str:
    return invoke(
        "replay", "--from", since, "--to", until, "--dataset", world, "--home", home, *SETTINGS, *more
    )


@pytest.mark.parametrize(
    ("since", "until", "more", "message"),
    [
        ("2020-02-30", "2021-01-01", (), "--from '2020-02-30' is not a date"),
        ("2020-01-01", "soon", (), "--to 'soon' is not a date"),
        ("2020-01-01T02:00", "2021-01-01", (), "--from '2020-01-01T02:00' has a time of day"),
        ("2020-01-01", "2020-01-01", (), "--from 2020-01-01 does not lie before --to 2020-01-01"),
        ("2020-01-01", "2021-01-01", ("--every", "0d"), "--every '0d' is no length of time"),
        ("2020-01-01", "2021-01-01", ("--every", "often"), "--every 'often' is no length of time"),
        ("2020-01-01", "2021-01-01", ("--horizon", "1h"), "--horizon '1h' is no length of time"),
        ("2999-01-01", "2999-02-01", (), "--from 2999-01-01 lies in the future"),
        ("2020-01-01", "2021-01-01", ("--models", "alz"), "--models is wrong: .*alz"),
        ("2020-01-01", "2021-01-01", ("--variants", "no/such.toml"), "no/such.toml cannot be read"),
    ],
)
def test_bad_input_makes_no_home(
    world: Path, tmp_path: Path, since: str, until: str, more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        replay(world, tmp_path / "home", since, until, *more)
    assert not (tmp_path / "home").exists()


def test_days_before_all_data_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no interaction before --from 1999-01-01"):
        replay(world, tmp_path / "home", "1999-01-01", "1999-02-01")
    assert not list((tmp_path / "home" / "replays").glob("*/days"))


def test_a_replay_prints_its_table_and_writes_page_and_csv(world: Path, tmp_path: Path) -> None:
    rows = (world / "ratings.csv").read_text(encoding="utf-8").splitlines()[1:]
    times = sorted(int(row.split(",")[3]) for row in rows)
    day = datetime.fromtimestamp(times[len(times) * 7 // 10], UTC)
    out = replay(
        world, tmp_path / "home", f"{day:%Y-%m-%d}", "2100-01-01", "--every", "12w", "--horizon", "4w"
    )
    assert "What users did next" in out
    assert "popularity" in out
    assert "champion" in out
    assert "came back" in out
    [page] = tmp_path.glob("home/replays/*/replay.html")
    [table] = tmp_path.glob("home/replays/*/replay.csv")
    assert "Hits so far" in page.read_text(encoding="utf-8")
    assert table.read_text(encoding="utf-8").startswith("day,until,variant,model,metric,k,value,n_users")
