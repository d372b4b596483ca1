"""Settings from a file, the environment and --set; every mistake is explained before anything starts."""

import codecs
import tomllib
from pathlib import Path

import pytest

from models.numerics.resources import Resources
from models.registry import config_class
from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.errors import UsageError

SHIPPED = Path(__file__).parents[3] / "pipeline.toml"


def written(folder: Path, text: str) -> Path:
    (folder / "p.toml").write_text(text)
    return folder / "p.toml"


def test_shipped_file_equals_the_defaults() -> None:
    assert load_settings(SHIPPED).model_dump() == Settings().model_dump()


def test_shipped_file_shows_every_setting() -> None:
    def keys(table: dict, path: str = "") -> set[str]:
        return {
            found
            for key, value in table.items()
            for found in (keys(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}"})
        }

    shown = keys(tomllib.loads(SHIPPED.read_text()))
    known = keys(Settings().model_dump(exclude={"publish": {"url"}}, exclude_none=True))
    assert shown == known


def test_memory_caps_the_default_of_a_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.config.settings.resources", lambda: Resources(1, 2000))
    assert load_settings().models.config("item_knn").model_dump()["memory_mb"] == 500
    asked = load_settings(None, ("models.item_knn.memory_mb=1900",))
    assert asked.models.config("item_knn").model_dump()["memory_mb"] == 1900
    monkeypatch.setattr("tasks.config.settings.resources", lambda: Resources(1, 200_000))
    usual = config_class("item_knn")()
    assert load_settings().models.config("item_knn") == usual


@pytest.mark.parametrize("before", [b"", codecs.BOM_UTF8], ids=["plain", "bom"])
def test_a_file_of_windows_is_read(tmp_path: Path, before: bytes) -> None:
    (tmp_path / "p.toml").write_bytes(before + b"[recommend]\r\nn = 20\r\n")
    assert load_settings(tmp_path / "p.toml").recommend.n == 20


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf16_is_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.toml").write_bytes("[recommend]\r\nn = 20\r\n".encode(encoding))
    with pytest.raises(UsageError, match=r"p\.toml is UTF-16, not UTF-8") as caught:
        load_settings(tmp_path / "p.toml")
    assert "UTF-8" in caught.value.hint


def test_a_file_in_latin1_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes("[recommend]\ngenres = ['Comédie']\n".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8: line 2 holds the byte 0xE9"):
        load_settings(tmp_path / "p.toml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.ratings.separator=:::::", "1 to 4 bytes"),
        ('data.ratings.separator="\\""', "1 to 4 bytes"),
        ("data.items.encoding=ansi", "utf-8, cp1252"),
        ("data.items.encoding=base64", "utf-8, cp1252"),
        ('data.tags.columns=["a", "a"]', "'a' is named twice"),
        ("data.tags.file=../tags.csv", "within the dataset's folder"),
    ],
)
def test_bad_settings_of_files_are_explained(override: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(None, (override,))
    assert words in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("text", ["\\t", "tab", '"\\t"'])
def test_a_tab_can_be_written_in_a_shell(text: str) -> None:
    assert load_settings(None, (f"data.ratings.separator={text}",)).data.ratings.separator == "\t"


def test_columns_can_be_separated_by_commas() -> None:
    settings = load_settings(None, ("data.ratings.columns=userId, movieId,rating",))
    assert settings.data.ratings.columns == ("userId", "movieId", "rating")


def test_set_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "[split]\nmin_users = 1\nleave_last_n = 1\n[judge]\nk = [10, 5]\n")
    monkeypatch.setenv("RECS_SPLIT__MIN_USERS", "2")
    monkeypatch.setenv("RECS_SPLIT__LEAVE_LAST_N", "2")
    settings = load_settings(file, ("split.leave_last_n=3",))
    assert (settings.split.leave_last_n, settings.split.min_users, settings.judge.k) == (3, 2, (10, 5))
    assert settings.split.leave_last_share == 0.2


def test_signals_merge_and_weight_zero_removes_one(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[utility.signals.watched]\nsource='events'\nevent='watch'\n[utility.signals.tag]\nweight=0\n"
        "[utility.positive_events]\nshare=0\n",
    )
    utility = load_settings(file).utility
    assert set(utility.signals) == {"rating", "watched"}
    assert "share" not in utility.positive_events
    assert utility.positive_events["like"] == 1


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[utility]\nrelevent_rating = 4", "no setting utility.relevent_rating", "relevant_rating"),
        ("[utilty]\nrelevant_rating = 4", "no setting utilty", "Did you mean utility"),
        ("[models.als]\nfactor = 4", "no setting models.als.factor", "models.als.factors"),
        (
            "[models.als]\nfactors = 0",
            r"models\.als\.factors is wrong: it takes a whole number of at least 1 and at most 2048 \(given: 0\)",
            "Length of the user and item vectors.",
        ),
        (
            "[models.als]\nfactors = 'x'",
            r"takes a whole number of at least 1 and at most 2048 \(given: 'x'\)",
            "",
        ),
        (
            "[models.als]\nfactors = true",
            r"takes a whole number of at least 1 and at most 2048 \(given: true\)",
            "",
        ),
        ("[run]\nseed = true", r"run.seed is wrong: it takes a whole number .*\(given: true\)", "randomness"),
        ("[judge]\nk = []", r"judge.k is wrong: it takes 1 or more of them \(given: \[\]\)", ""),
        ("[models.mf]\nimplicit_term = 3", r"takes true or false \(given: 3\)", "SVD"),
        (
            "[models.bpr]\nsampler = true",
            r"sampler is wrong: .*'uniform' or 'implicit' \(given: true\)",
            "uniform: our own trainer",
        ),
        (
            "[models.lightgcn]\nlayer_weights = [-1, 1, 1, 1]",
            r"layer_weights\.0 is wrong: it takes a number of at least 0 and at most 1000 \(given: -1\)",
            "Weights of the layers",
        ),
        (
            "[models.lightgcn]\nlayer_weights = 1",
            r"it takes a list of numbers of at least 0 and at most 1000 \(given: 1\)",
            "Weights of the layers",
        ),
        (
            "[models.lightgcn]\nlayer_weights = [true, 1, 1, 1]",
            r"takes a list of numbers of at least 0 and at most 1000 \(given: \[true, 1, 1, 1\]\)",
            "Weights of the layers",
        ),
        ("[models.als]\nalpha = nan", r"takes a number above 0 and at most \d+ \(given: nan\)", ""),
        ("[models.als]\nmatrix = 'x'", "models.als.matrix is wrong: .*'positive' or 'composite'", "matrix"),
        ("[models.asl]\nfactors = 8", "no model 'asl'. Did you mean 'als'", ""),
        ("[models]\nshelf = ['popularty']", "no model 'popularty'. Did you mean 'popularity'", ""),
        (
            "[split]\nmethod = 'oldest'",
            r"split\.method is wrong: it takes 'temporal', 'leave_last', 'random' or 'auto' \(given: 'oldest'\)",
            "",
        ),
        ("[split]\ncutoff = 3", r"split\.cutoff is wrong: it takes a string \(given: 3\)", ""),
        ("[split]\ncutoff = 'soon'", "split.cutoff is wrong", ""),
        ("[judge]\nchampion_metric = 'ndcg@7'", "judge is wrong: champion_metric must be one of ndcg@10", ""),
        ("[judge]\nmax_users = 10", "judge is wrong: max_users must be at least twice min_users", ""),
        ("[judge]\nk = 5", r"judge\.k is wrong: it takes a list of whole numbers \(given: 5\)", ""),
        ("[judge]\nk = ['x']", r"judge\.k\.0 is wrong: it takes a whole number \(given: 'x'\)", ""),
        ("[models]\nshelf = 5", r"models\.shelf is wrong: it takes a list \(given: 5\)", "fitted and judged"),
        (
            "[data]\nrating_min = 0\nrating_max = 1",
            r"contradict each other: utility.relevant_rating 3\.5 lies outside the scale, data.rating_min 0 to "
            r"data.rating_max 1: set it to the least rating that is a like, such as 0\.67\.",
            "",
        ),
        (
            "[data]\nrating_min = 0\nrating_max = 100",
            "relevant_rating 3.5 lies at the very bottom of the scale, .* such as 67, or to 0 if every rating is",
            "",
        ),
        (
            "[data.events]\nevent = ''",
            "data.events is wrong: event is empty, so that constant_event must name",
            "",
        ),
        ("[data.events]\nconstant_event = 'view'", 'constant_event goes with event = ""', ""),
        ("[data.ratings]\nuser = ''", r"data\.ratings\.user is wrong", ""),
        (
            "[data.items]\ngenre_separator = ''",
            r"data\.items\.genre_separator is wrong",
            "What stands between",
        ),
        ("[data]\nrating_min = 9", "data is wrong: rating_min 9.0 must lie below", ""),
        ("[utility.signals.x]\nsource = 'events'", "utility.signals.x is wrong: `event` is needed", ""),
        (
            "[utility.signals.tag]\nweight = -1",
            r"signals\.tag\.weight is wrong: it takes a number of at least 0 \(given: -1\)",
            "0 switches the signal off.",
        ),
        (
            "[utility.signals.tag]\ntransform = 'idf'",
            r"signals\.tag\.transform is wrong: it takes 'none', .* or '\w+' \(given: 'idf'\)",
            "log1p: ln(1 + v)",
        ),
        (
            "[utility.signals.tag]\nhalf_life = 3",
            "no setting utility.signals.tag.half_life",
            "half_life_days",
        ),
        (
            "[tracking]\nuri = 'http://bob:hunter2@host/x'",
            "tracking.uri with a user or a password belongs neither into a file",
            "RECS_TRACKING__URI",
        ),
        ("[publish]\nurl = 'sqlite:///x'", "publish.url belongs neither into a file", "RECS_PUBLISH__URL"),
        ("[publish", "not valid TOML", ""),
        ("[publish] keep_runs = 3", "not valid TOML", "A [table] stands on a line of its own"),
        ("[publish]\nkeep_runs = 3\n[publish]", "not valid TOML", "may stand in a file only once"),
    ],
)
def test_a_mistake_is_explained_with_the_nearest_name(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(written(tmp_path, text))
    assert hint in caught.value.hint


@pytest.mark.parametrize("cutoff", ["2024-06-01", "2024-06-01T04:00:00"])
def test_a_cutoff_needs_no_quotes(tmp_path: Path, cutoff: str) -> None:
    in_file = load_settings(written(tmp_path, f"[split]\ncutoff = {cutoff}"))
    assert in_file.split.cutoff == cutoff
    assert load_settings(None, (f"split.cutoff={cutoff}",)).split.cutoff == cutoff
    assert load_settings(None, (f"split.cutoff='{cutoff}'",)).split.cutoff == cutoff


def test_missing_files_and_malformed_overrides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="of the form section"):
        load_settings(None, ("factors",))
    with pytest.raises(UsageError, match="contradicts another --set"):
        load_settings(None, ("split.method=auto", "split.method.name=auto"))


def test_database_address_is_refused_on_the_command_line() -> None:
    with pytest.raises(UsageError, match="nor on the command line") as caught:
        load_settings(None, ("publish.url=postgresql://me:hunter2@db/x",))
    assert "RECS_PUBLISH__URL" in caught.value.hint
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("override", ["models.shelf=popularty", "split.method=oldest", "run.seed=x"])
def test_messages_end_with_one_dot(override: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(None, (override,))
    assert ".." not in f"{caught.value} {caught.value.hint}"


def test_database_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_PUBLISH__URL", "postgresql://me:hunter2@db/x")
    settings = load_settings(SHIPPED)
    assert settings.publish.url is not None
    assert settings.publish.url.get_secret_value().endswith("hunter2@db/x")
    assert "hunter2" not in repr(settings) + str(settings.model_dump(mode="json"))


def test_tracker_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_TRACKING__URI", "http://me:hunter2@host:5000")
    settings = load_settings(SHIPPED)
    assert settings.tracking.uri.get_secret_value().endswith("hunter2@host:5000")
    assert "hunter2" not in repr(settings) + str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("RECS_RECOMEND__N", "RECS_RECOMMEND__…"), ("RECS_PUBLISH_URL", "RECS_PUBLISH__…")],
)
def test_a_misspelt_environment_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "5")
    with pytest.raises(UsageError, match=f"environment variable {variable} sets nothing") as caught:
        load_settings()
    assert f"Did you mean {meant}?" in caught.value.hint


def test_the_variable_of_the_command_line_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_HOME", "data/shop")
    monkeypatch.setenv("RECS_SPLIT__METHOD", "leave_last")
    assert load_settings().split.method == "leave_last"


def test_new_item_share_is_refused_when_below_one_place() -> None:
    said = "new_item_share 0.01 of 50 places is less than one: set it to 0.02 or more, or to 0"
    with pytest.raises(UsageError, match=said):
        load_settings(None, ("recommend.n=50", "recommend.new_item_share=0.01"))
    assert load_settings(None, ("recommend.n=50", "recommend.new_item_share=0.02")).recommend.n == 50


def test_an_unknown_model_of_new_items_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"recommend\.new_item_model.*no model 'contents'.*Did you mean 'content'"
    ):
        load_settings(None, ("recommend.new_item_model=contents",))
    assert load_settings(None, ("recommend.new_item_model=content",)).recommend.new_item_model == "content"


def test_the_model_of_similar_items_must_compare_items():
    with pytest.raises(UsageError, match=r"recommend\.similar_model.*popularity compares no items"):
        load_settings(None, ("recommend.similar_model=popularity",))


@pytest.mark.parametrize("name", ["social_gcn", "attentive_content"])
def test_any_model_may_complete_short_lists(name):
    backfill = load_settings(None, (f"recommend.backfill={name}",)).recommend.backfill_models
    assert backfill == (name, "content", "popularity")


@pytest.mark.parametrize(
    "text",
    [
        "[data]\nrating_min = 0\nrating_max = 1\n[utility]\nrelevant_rating = 1",
        "[data]\nrating_min = 1\nrating_max = 100\n[utility]\nrelevant_rating = 1",
        "[data]\nrating_min = 1\nrating_max = 10",
        "[data.events]\nevent = ''\nconstant_event = 'view'\ntimestamp = ''",
    ],
)
def test_unusual_but_sensible_settings_are_taken(tmp_path: Path, text: str) -> None:
    load_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "values"), [("0", (0,)), ("[0, -1]", (0, -1)), ('["", "x"]', ("", "x")), ("x", ("x",))]
)
def test_not_rated_takes_one_value_or_several(text: str, values: tuple[float | str, ...]) -> None:
    assert load_settings(None, (f"data.ratings.not_rated={text}",)).data.ratings.not_rated == values


@pytest.mark.parametrize(
    ("override", "words", "hint"),
    [
        ("publish.trial.share=0.1", r"publish\.trial\.model is missing", "challenger"),
        ("publish.trial=5", r"publish\.trial is wrong: it takes a table of model, nights, salt, share", ""),
        ("publish.trial={model='als', shar=0.1}", r"no setting publish\.trial\.shar", "publish.trial.share"),
        ("publish.trial={model='alz'}", r"publish\.trial\.model is wrong: There is no model 'alz'", ""),
        (
            "publish.trial={model='als', share=1}",
            r"share is wrong: it takes a number above 0 and below 1",
            "",
        ),
        (
            "publish.trial={model='als', nights=0}",
            r"nights is wrong: it takes a whole number of at least 1",
            "",
        ),
    ],
)
def test_a_wrong_trial_is_explained(override: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load_settings(None, (override,))
    assert hint in caught.value.hint


def test_a_trial_is_read_key_by_key() -> None:
    trial = load_settings(None, ("publish.trial.model=blend", "publish.trial.share=0.3")).publish.trial
    assert trial is not None
    assert (trial.model, trial.share, trial.nights, trial.salt) == ("blend", 0.3, 7, "")
    assert load_settings(None).publish.trial is None
