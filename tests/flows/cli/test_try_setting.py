"""`recs try`: a setting beside the night's own models, on the same users, without publishing."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from models.baselines.popularity import Popularity
from models.interactions import Interactions
from tasks.errors import UsageError
from tasks.run.dag import nightly
from tasks.storage.home import Home, open_home
from tasks.tuning.try_setting import judge, judged_night, tried_config
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import run_small_night


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Home:
    """Return a home after one night, which no test here changes."""
    found = open_home(str(dataset), tmp_path_factory.mktemp("tried") / "home")
    run_small_night(found, flow=nightly)
    return found


def test_the_nights_own_setting_has_its_figures(home: Home) -> None:
    """The same setting, seed and users give the same lists, so that no difference is left."""
    before = live_lists(home)
    found = json.loads(invoke("try", "als", "--json", "--home", home.path))
    tried, others = found["judgements"][0], found["judgements"][1:]
    own = next(each for each in others if each["model"] == "als")
    assert tried["figures"] == own["figures"]
    assert {(lead["low"], lead["high"]) for lead in own["lead"].values()} == {(0.0, 0.0)}
    assert "as good as the night's als for every user" in invoke("try", "als", "--home", home.path)
    assert live_lists(home) == before


def live_lists(home: Home) -> list[tuple]:
    with sqlite3.connect(home.path / "recommendations.db") as con:
        return con.execute("select * from recommendations order by user_id, rank").fetchall()


def test_a_setting_is_compared_with_all_models(home: Home) -> None:
    shown = invoke("try", "als", "--set", "factors=1", "--half", "report", "--home", home.path)
    assert "als factors=1 beside run" in shown
    assert "of the report half" in shown
    night = judged_night(home)
    assert {name for name in night.per_user if f"\n{name} " in shown} == set(night.per_user)
    tried, *others = judge(night, Popularity()).judgements
    for each in others:
        ahead = tried.figures[night.metric].mean - each.figures[night.metric].mean
        assert np.isclose(each.lead[night.metric].mean, ahead)


def test_a_fitted_model_and_a_new_one_are_judged_alike(home: Home) -> None:
    night = judged_night(home)
    fitted = Popularity().fit(Interactions.load(night.snapshot.folder), seed=1)
    judged, fresh = judge(night, fitted), judge(night, Popularity())
    assert judged.judgements == fresh.judgements
    assert judged.fit_s is None
    assert fresh.fit_s is not None
    mean = night.per_user["popularity"][night.metric][night.users_of("select")].mean()
    assert np.isclose(judged.judgements[0].figures[night.metric].mean, mean)


def test_a_model_of_other_data_is_refused(home: Home) -> None:
    night = judged_night(home)
    seen = Interactions.load(night.snapshot.folder).positive
    other = Popularity().fit(Interactions.from_positive(seen[:5]), seed=1)
    with pytest.raises(UsageError, match="was fitted on 5 users"):
        judge(night, other)


def test_wrong_settings_are_explained(home: Home) -> None:
    night = judged_night(home)
    for model, option, message in (
        ("elas", "factors=3", "no model 'elas'"),
        ("als", "factrs=3", "no setting models.als.factrs"),
        ("als", "factors", "not of the form option=value"),
        ("als", "factors=-1", "models.als.factors is wrong"),
    ):
        with pytest.raises(UsageError, match=message):
            tried_config(night, model, [option])
    with pytest.raises(UsageError, match="Run 7 is unknown"):
        judged_night(home, 7)
