"""Generated data sets are made once and found again."""

import pytest

from benchmarks import generated as module
from benchmarks.generated import generated
from tasks.datasets.synthetic import activity, generate
from tasks.datasets.synthetic.public_sets import PUBLIC_SETS, PublicSet, Size
from tasks.datasets.synthetic.users import DEFAULT_HABITS
from tasks.errors import UsageError


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(PUBLIC_SETS, "tiny", PublicSet(Size(40, 100, 800, 20), DEFAULT_HABITS))


def test_a_set_is_generated_once(tmp_path, monkeypatch):
    first = generated("tiny", 1.0, events=False, cache=tmp_path)
    assert not (first / "events.csv").exists()
    same = module.sample_digest(DEFAULT_HABITS)
    monkeypatch.setattr(module, "sample_digest", lambda _: same)
    monkeypatch.setattr(module, "generate_demo", None)
    assert generated("tiny", 1.0, events=False, cache=tmp_path) == first


def test_sets_of_other_sizes_or_generators_have_other_folders(tmp_path, monkeypatch):
    folders = [
        generated("tiny", scale, events=events, cache=tmp_path) for scale in (1, 2) for events in (0, 1)
    ]
    monkeypatch.setattr(activity, "EVENTS", activity.EVENTS[::-1])
    monkeypatch.setattr(generate, "EVENTS", generate.EVENTS[::-1])
    folders.append(generated("tiny", 1, events=True, cache=tmp_path))
    assert len(set(folders)) == 5
    assert sum(1 for _ in (folders[3] / "ratings.csv").open()) == 1601


def test_a_set_that_cannot_be_generated_is_refused(tmp_path):
    with pytest.raises(UsageError, match="at least 1 user and 15 items"):
        generated("tiny", 0.01, events=True, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
