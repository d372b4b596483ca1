"""Fill in the templates of the page. Everything that comes from data is escaped by default."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.registry import ENSEMBLES, in_words
from tasks.reporting.page import charts, formats, summary
from tasks.reporting.page.all_nights import AllNights
from tasks.reporting.page.contents import Page
from tasks.reporting.page.metric_panels import metric_title
from tasks.storage.run_records import ENDINGS

TEMPLATES = Path(__file__).parent / "templates"


def render(page: Page) -> str:
    """Return the page as HTML, which needs no other file."""
    return render_template(
        "report.html.j2",
        page=page,
        run=page.run,
        status=ENDINGS[page.run.status],
        ensembles=tuple(ENSEMBLES),
        verdict=summary.verdict(page.run, page.n_users),
        happened=summary.what_happened(page.run),
        why=summary.why_champion(page.run),
        protocol=summary.protocol(page.run),
        tiles=summary.tiles(page),
        history=None if page.history is None else charts.history_chart(page.history),
        stages=charts.timeline(page.run),
        attention=None if page.attention is None else charts.attention_chart(page.attention),
    )


def render_index(found: AllNights) -> str:
    """Return the page of all nights as HTML; it links to the pages of single nights beside it."""
    return _environment().get_template("index.html.j2").render(all=found, endings=ENDINGS)


def render_no_later_night() -> str:
    """Return the page that the newest night's link to the next one leads to."""
    return _environment().get_template("no_later_night.html.j2").render()


def render_template(name: str, **values: Any) -> str:
    """Return a template of this folder, filled in with `values`; it has the filters of the night's page."""
    return _environment().get_template(name).render(**values)


def model_meaning(model: str) -> str:
    """Return how a model finds its lists, in words for everybody; empty for a model that no longer exists."""
    return "the list for people whom we do not know yet" if model == "fallback" else in_words(model)


@cache
def _environment() -> Environment:
    """Return the template environment, which is kept with its compiled templates for the next page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=formats.figure,
        signed=formats.signed,
        amount=formats.amount,
        readable=formats.readable,
        model_meaning=model_meaning,
        metric_title=metric_title,
        duration=formats.duration,
        path=charts.path,
    )
    return environment
