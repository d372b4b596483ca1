"""Draws a page: the templates of this folder filled in. Whatever came from data is escaped, by default."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.reporting.page import charts as drawing
from tasks.reporting.page import summary
from tasks.reporting.page import wording as words
from tasks.reporting.page.contents import Page
from tasks.storage.run_records import ENDINGS

TEMPLATES = Path(__file__).parent / "templates"


def render(page: Page) -> str:
    """The page as HTML: one file, nothing outside it."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        page=page,
        run=page.run,
        status=ENDINGS[page.run.status],
        verdict=summary.verdict(page.run, page.n_users),
        happened=summary.what_happened(page.run),
        why=summary.why_champion(page.run),
        protocol=summary.protocol(page.run),
        tiles=summary.tiles(page),
        history=None if page.history is None else drawing.history(page.history),
        stages=drawing.timeline(page.run),
        attention=None if page.attention is None else drawing.attention(page.attention),
    )


@cache
def _environment() -> Environment:
    """Kept, with the templates it has compiled, for the next page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=words.figure,
        signed=words.signed,
        amount=words.amount,
        plain=words.plain,
        model_meaning=words.model_meaning,
        metric_name=words.metric_name,
        duration=words.duration,
        path=drawing.path,
    )
    return environment
