"""The parameters of a night, and the home and the settings that they name; of the command line and of deployments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from flows.cli.options import parse_as_of, parse_dataset
from tasks.config.load import load_settings, night_settings, parse_model_names
from tasks.config.settings import Settings
from tasks.engine.open_engine import require_engine
from tasks.ingestion.first_look import check_input
from tasks.storage.home import Home, open_home, read_in_place_of_built_in
from tasks.storage.path_text import parse_path


@dataclass(frozen=True)
class NightParameters:
    """The parameters of one night, as text or plain values: see `recs run --help`.

    Attributes:
        dataset: a name or a folder; None for that of the home, else the demo.
        home: the folder of its nights; None for `data/<name>`.
        name: of a data set given as a path.
        models: the models to judge, separated by commas; None for those of the settings.
        as_of: only interactions before this date are used.
        config: a settings file; None for `pipeline.toml` in the current folder, if there is one.
        settings: of the form `section.key=value`.
        force: run and publish even if nothing is new.
    """

    dataset: str | None = None
    home: str | None = None
    name: str | None = None
    models: str | None = None
    as_of: str | None = None
    config: str | None = None
    settings: tuple[str, ...] = ()
    force: bool = False

    def open(self) -> OpenedNight:
        """Return the home, which is made if it is absent, and the settings. This process keeps to their resources.

        Raises:
            UsageError: one of the parameters is wrong.
        """
        names = parse_model_names(self.models)
        overrides = (*self.settings, *((f"models.shelf={','.join(names)}",) if names else ()))
        config = None if self.config is None else parse_path("--config", self.config)
        plain = load_settings(config, overrides)
        plain.resources.put_into_force(plain.run.parallel_fits if plain.engine.kind == "local" else 1)
        require_engine(plain.engine)  # before a home is made
        until = parse_as_of(self.as_of)
        dataset = None if self.dataset is None else parse_dataset(self.dataset)
        folder: Path | None = None if self.home is None else parse_path("--home", self.home)
        home = open_home(dataset, folder, self.name, check_input=partial(check_input, settings=plain))
        settings, notes = night_settings(config, overrides, tuned=home.tuned, as_of=until)
        return OpenedNight(home, settings, until, (*read_in_place_of_built_in(dataset, home), *notes))


@dataclass(frozen=True)
class OpenedNight:
    """A night that can begin.

    Attributes:
        home: where it runs.
        settings: of the night, tuned ones included.
        as_of: the requested end of the data, exclusive, UTC; None for just after the newest interaction.
        notes: sentences on what is used in place of what; for whoever watches the night.
    """

    home: Home
    settings: Settings
    as_of: datetime | None
    notes: tuple[str, ...]
