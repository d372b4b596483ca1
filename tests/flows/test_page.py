"""Pages of small nights (published, failed, held back, of an older version), and two nights compared."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from flows.cli import lookup
from tasks.config.load import load_settings
from tasks.errors import NightError, UsageError
from tasks.monitoring.events import SilentWatcher
from tasks.reporting.run_report import page_path
from tasks.run.context import Night
from tasks.run.dag import nightly, take_in
from tasks.run.lifecycle import run_night
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Run, Runs
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import SETTINGS, USERS
from tests.tasks.reporting.page.read_page import ReadPage, needs_nothing_else

HOSTILE = "<script>alert(1)</script>"


class TwoNights(NamedTuple):
    """A home with two nights: ALS has eight factors in the first and four in the second."""

    home: Home
    first: Run
    second: Run


@pytest.fixture(scope="module")
def nights(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> TwoNights:
    """Two nights on films of which every other title is a script tag."""
    folder = tmp_path_factory.mktemp("page")
    copy = folder / "shop"
    shutil.copytree(dataset, copy)
    lines = (copy / "movies.csv").read_text(encoding="utf-8").splitlines()
    changed = [
        ",".join((line.split(",")[0], HOSTILE, *line.split(",")[2:])) if number % 2 else line
        for number, line in enumerate(lines)
    ]
    (copy / "movies.csv").write_text("\n".join(changed), encoding="utf-8")
    home = open_home(str(copy), folder / "home")
    runs = [
        run_night(
            home, load_settings(None, (*SETTINGS, f"models.als.factors={n}")), nightly, SilentWatcher()
        ).run
        for n in (8, 4)
    ]
    return TwoNights(home, *runs)


def page_of(home: Home, run: Run) -> tuple[ReadPage, str]:
    text = page_path(home, run).read_text(encoding="utf-8")
    return ReadPage(text), text


def test_the_page_is_one_file_that_loads_nothing_else(nights: TwoNights) -> None:
    page, text = page_of(nights.home, nights.second)
    assert page.sections == [
        "models", "slices", "cold-start", "similar-items", "nights", "checks", "lists", "users", "map", "intake",
        "drift", "stages",
    ]  # fmt: skip
    assert needs_nothing_else(page, text)
    assert f"Published New lists for {USERS} users are live, made by {nights.second.champion}." in page.text
    assert "Against the lists before" in page.text
    assert "Protocol:" not in page.text
    assert len(text) < 1_500_000
    assert page.text.count("items known") >= 10
    assert page.tags.count(("html", {"lang": "en"})) == 1


def test_pages_of_two_nights_and_their_list_are_linked(nights: TwoNights) -> None:
    page, _ = page_of(nights.home, nights.second)
    links = [about["href"] or "" for tag, about in page.tags if tag == "a"]
    assert links[:3] == [f"../{nights.first.run_id}/report.html", "next.html", "../index.html"]
    first = nights.home.runs / str(nights.first.run_id)
    assert f"../{nights.second.run_id}/report.html" in (first / "next.html").read_text(encoding="utf-8")
    index = ReadPage((nights.home.runs / "index.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in index.tags].count("polyline") == 2, "quality and duration"
    assert f"{nights.first.run_id}/report.html" in [about.get("href") for _, about in index.tags]
    assert nights.first.summary.quality is not None


def test_hostile_titles_are_escaped(nights: TwoNights) -> None:
    page, text = page_of(nights.home, nights.second)
    assert HOSTILE not in text
    assert HOSTILE in page.text
    assert HOSTILE in {title for layer in page.maps[0] for title, _ in layer}
    assert [tag for tag, _ in page.tags].count("script") == 3


def test_a_first_night_has_no_comparison(nights: TwoNights) -> None:
    page, _ = page_of(nights.home, nights.first)
    assert "nights" not in page.sections
    assert "Against the lists before" not in page.text
    items, users = page.maps
    assert len(items) > 1
    assert 100 < sum(len(layer) for layer in users) <= USERS


def test_a_page_written_again_has_the_same_content(nights: TwoNights) -> None:
    _, before = page_of(nights.home, nights.first)
    page_path(nights.home, nights.first).unlink()
    shown = invoke("report", nights.first.run_id, "--home", nights.home.path)
    assert "report.html" in shown.replace("\n", "")
    _, after = page_of(nights.home, nights.first)
    shown_before, shown_after = (
        text[text.index("<main>") : text.index('id="stages"')] for text in (before, after)
    )
    assert shown_before == shown_after
    assert ">report</span>" in after
    assert ">report</span>" not in before


def test_the_page_opens_in_a_browser(nights: TwoNights, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(lookup.webbrowser, "open", lambda address: opened.append(address) or True)
    invoke("report", "--open", "--home", nights.home.path)
    assert opened == [page_path(nights.home, nights.second).resolve().as_uri()]
    monkeypatch.setattr(lookup.webbrowser, "open", lambda _: False)
    assert "There is no browser here" in invoke("report", "--open", "--home", nights.home.path)


def test_a_night_of_an_older_version_gets_a_page(nights: TwoNights, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    shutil.copytree(nights.home.path, copy, ignore=shutil.ignore_patterns("artifacts", "prefect", "*.html"))
    record = copy / "runs" / str(nights.second.run_id) / "run.json"
    old = json.loads(record.read_text())
    old["summary"] = {"example_user": 1}
    for name in ("switched", "failed_models", "artifacts"):
        del old[name]
    record.write_text(json.dumps(old))
    invoke("report", "--home", copy)
    page = ReadPage((record.parent / "report.html").read_text(encoding="utf-8"))
    assert page.sections == ["models", "slices", "cold-start", "similar-items", "nights", "stages"]


def test_a_failed_night_leaves_a_page_of_finished_stages(nights: TwoNights, tmp_path: Path) -> None:
    home = open_home(str(nights.home.input), tmp_path / "home")

    def breaks(night: Night) -> None:
        take_in(night)
        raise NightError(f"It broke at {HOSTILE}.", "Mend it.")

    with pytest.raises(NightError):
        run_night(home, load_settings(None, SETTINGS), breaks, SilentWatcher())
    page, text = page_of(home, Runs(home.runs).all()[0])
    assert page.sections == ["intake", "stages"]
    assert "The night failed." in page.text
    assert HOSTILE in page.text
    assert HOSTILE not in text


@pytest.mark.slow
def test_the_page_of_a_held_back_night_names_the_check(
    nights: TwoNights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.recommendation import list_blocks  # noqa: PLC0415

    genuine = list_blocks._list_table
    monkeypatch.setattr(list_blocks, "_list_table", lambda *arguments: genuine(*arguments).slice(1))
    home = open_home(str(nights.home.input), tmp_path / "home")
    outcome = run_night(home, load_settings(None, SETTINGS), nightly, SilentWatcher())
    assert outcome.exit_code == 3
    page, _ = page_of(home, outcome.run)
    assert "Held back A check held the new lists back. There are no earlier lists" in page.text
    assert "✗ failed" in page.text
    assert {"models", "lists", "users", "map"} <= set(page.sections)


def test_a_page_that_fails_does_not_fail_the_night(
    nights: TwoNights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tasks.reporting import run_report as report  # noqa: PLC0415
    from tasks.reporting.page import contents as page  # noqa: PLC0415

    def breaks(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(page, "gather", breaks)
    report.try_to_write_page(nights.home, nights.first)
    assert "could not be written: RuntimeError: no ink" in caplog.text


def test_compare_shows_figures_and_lists_of_a_few_users(nights: TwoNights) -> None:
    text = invoke("compare", nights.first.run_id, nights.second.run_id, "-n", 2, "--home", nights.home.path)
    assert "models.als.factors  8  4" in text
    als = next(line for line in text.splitlines() if line.startswith("als "))
    assert "[" in als, "judged on the same users, so paired"
    knn = next(line for line in text.splitlines() if line.startswith("item_knn "))
    assert "+0.0000 [+0.0000, +0.0000]" in " ".join(knn.split())
    assert "Lists  of the best 10 of A" in text
    assert text.count("User ") == 2
    assert "all stages" in text


def test_nights_with_different_users_have_no_paired_figure(nights: TwoNights, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    shutil.copytree(nights.home.path, copy)
    record = copy / "runs" / str(nights.first.run_id) / "run.json"
    old = json.loads(record.read_text())
    old["artifacts"] = [name for name in old["artifacts"] if not name.startswith(("held_out/", "recommend/"))]
    record.write_text(json.dumps(old))
    text = invoke("compare", nights.first.run_id, nights.second.run_id, "--home", copy)
    assert "no fair comparison" in text
    assert f"The lists of run {nights.first.run_id} were never made, or are not kept any more." in text


def test_compare_refuses_the_same_or_an_unknown_run(nights: TwoNights) -> None:
    first, home = nights.first.run_id, nights.home.path
    with pytest.raises(UsageError, match="is the same as itself"):
        invoke("compare", first, first, "--home", home)
    with pytest.raises(UsageError, match="There is no run 7 in"):
        invoke("compare", first, 7, "--home", home)
