"""The benchmark of lists for new users, on a small file."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import new_users
from models.interactions import Interactions
from tasks.errors import UsageError


def write_ratings(path: Path) -> Path:
    """Write the ratings of 40 users, who like items of their parity and dislike others."""
    rng = np.random.default_rng(0)
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(40):
        for at, item in enumerate(rng.permutation(30)[:20]):
            lines.append(f"{user},{item},{5 if item % 2 == user % 2 else 1},{at}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_figures_are_printed_by_length_of_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_ratings(tmp_path / "ratings.csv")
    monkeypatch.setattr(sys, "argv", ["x", "--ratings", str(file), "--model", "item_knn", "--seed", "0"])
    new_users.main()
    fields = dict(field.split("=") for field in capsys.readouterr().out.split())
    assert fields["model"] == "item_knn"
    assert int(fields["new_users"]) == 9
    assert all(0.2 < float(fields[f"ndcg@10_{length}"]) <= 1 for length in ("all", "3", "1"))


def test_new_users_are_in_no_matrix_of_the_training(tmp_path: Path) -> None:
    data = new_users.read_ratings(write_ratings(tmp_path / "ratings.csv"), 4.0)
    histories, wanted, rest = new_users.leave_users_out(data, np.random.default_rng(0))
    gone = np.flatnonzero(np.diff(rest.seen.indptr) == 0)
    assert isinstance(rest, Interactions)
    assert len(gone) == len(histories) == wanted.shape[0] == 9
    for row, user in enumerate(gone):
        likes = data.positive.indices[slice(*data.positive.indptr[user : user + 2])]
        assert sorted([*histories[row], *wanted[[row]].indices]) == likes.tolist()
        times = data.timestamp[[user]].toarray()[0]
        assert times[histories[row]].max() <= times[wanted[[row]].indices].min()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for name in ("a.csv", "absent.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            new_users.read_ratings(tmp_path / name, 4.0)
