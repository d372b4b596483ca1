"""Markdown tables of docs/benchmarks.md from the JSON of all measurements. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.budgets import Line, judged, number
from benchmarks.exponents import Growth, growth_of

Results = Mapping[str, Any]
QUIET = 0.5
"""Largest load before a run at which its wall times are those of the machine alone."""


def page_tables(results: Results) -> dict[str, str]:
    """Return the text of each generated part of the page, by its name.

    Args:
        results: the sections of the JSON; those that are missing are said to be not measured.
    """
    return {
        "budgets": section_text(results.get("bench-full"), "make bench-full", is_full=True),
        "quick": section_text(results.get("bench"), "make bench", is_full=False),
        "growth": growth_text(results.get("growth"), "python -m benchmarks.growth"),
        "growth-quick": growth_text(results.get("growth-quick"), "make bench"),
        "peers": peers_text(results.get("peers")),
    }


def updated(page: str, results: Results) -> str:
    """Return the page with its generated parts renewed; the text outside their comments stays.

    Raises:
        ValueError: the page lacks the comments of a part.
    """
    for name, text in page_tables(results).items():
        block = re.compile(rf"(?s)(?<=<!-- generated: {name} )([^>]*-->\n).*?(<!-- end: {name} -->)")
        places = list(block.finditer(page))
        if len(places) != 1:
            raise ValueError(f"the page needs the comments `generated: {name}` and `end: {name}` once each")
        place = places[0]
        page = f"{page[: place.end(1)]}\n{text}\n\n{page[place.start(2) :]}"
    return page


def section_text(section: Mapping[str, Any] | None, command: str, *, is_full: bool) -> str:
    """Return the machine, the budgets with verdicts, and what was missed or not measured.

    Args:
        section: `machine` and `measurements` of a run; None if there was none.
        command: that makes it.
        is_full: it was a run at full size.
    """
    if section is None:
        return f"Not measured yet: `{command}`."
    lines = judged(section["measurements"], is_full=is_full)
    rows = [(line.budget.what, line.budget.rule, _measured(line), _verdict(line)) for line in lines]
    parts = [
        machine_text(section["machine"]),
        table(("what", "budget", "measured", "verdict"), rows),
        f"Kept: {_count(lines, 'kept')} of {len(lines)}; missed: {_count(lines, 'missed')}; "
        f"not judged: {_count(lines, 'not judged')}; not measured: {_count(lines, 'not measured')}.",
    ]
    reasons = dict.fromkeys(one_line(line.why) for line in lines if line.verdict == "not measured")
    if reasons:
        parts.append("\n".join(f"- {_without_figure(lines, reason)}: {reason}." for reason in reasons))
    if others := _measured_before(section):
        parts.append("\n".join(others))
    return "\n\n".join(parts)


def _measured_before(section: Mapping[str, Any]) -> list[str]:
    """Return a line on each measurement that an earlier run made."""
    return [
        f"- `{name}` was measured earlier: {each['began']}, commit {each['commit']}, load {each['load']}."
        for name, each in section["measurements"].items()
        if each["began"] != section["machine"]["began"]
    ]


def machine_text(machine: Mapping[str, Any]) -> str:
    """Return the facts of the machine in two sentences, with a warning if it was busy."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    text = (
        f"{machine['began']}, commit {machine['commit'] or 'unknown'}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, load before the run {machine['load']}. "
        f"Python {machine['python']}, {packages}."
    )
    if machine["load"] > QUIET:
        text += " **Other programs were running: seconds are longer than on a quiet machine.**"
    return text


def growth_text(growth: Mapping[str, Any] | None, command: str) -> str:
    """Return the tables of time and memory by size with their exponents, and the stages above linear by name.

    Args:
        growth: `machine` and `points`; None if it was not measured.
        command: that measures it.
    """
    if growth is None:
        return f"Not measured yet: `{command}`."
    points = growth["points"]
    seconds, memory = growth_of(points, "s"), growth_of(points, "mb")
    parts = [machine_text(growth["machine"]), "Seconds:", _growth_table(points, seconds)]
    parts += [
        "Memory of the process in MB, at most:",
        _growth_table(points, memory),
        _above_linear(seconds, memory),
    ]
    errors = [
        f"- {point['ratings']:,} ratings, {what}: {one_line(error)}"
        for point in points
        for what, error in point["errors"].items()
    ]
    return "\n\n".join([*parts, *(["Not measured:", "\n".join(errors)] if errors else [])])


def peers_text(peers: Mapping[str, Any] | None) -> str:
    """Return the table of other libraries.

    Args:
        peers: `machine`, `columns` (names), `rows` (a list of cells each) and `notes` (sentences); None if it was not
            measured.
    """
    if peers is None:
        return "Not measured yet: `make bench-full`."
    notes = "\n".join(f"- {note}" for note in peers.get("notes", ()))
    parts = [machine_text(peers["machine"]), table(peers["columns"], peers["rows"]), notes]
    return "\n\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown; None is an empty cell."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


def one_line(text: str) -> str:
    """Return text with every run of blanks and line ends as one blank, at most 200 characters, its end kept."""
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"… {text[-198:]}"


def _measured(line: Line) -> str | None:
    return None if line.measured is None else number(line.measured, line.budget.unit)


def _verdict(line: Line) -> str:
    if line.verdict == "missed" and line.measured is not None:
        low, high = sorted((line.measured, line.budget.limit))
        return f"**missed**, by {number(high / low, '×') if low > 0 else 'far'}"
    return f"{line.verdict}: {line.why}" if line.verdict == "not judged" else line.verdict


def _without_figure(lines: Sequence[Line], reason: str) -> str:
    """Return what was not measured for this reason."""
    what = (
        line.budget.what for line in lines if line.verdict == "not measured" and one_line(line.why) == reason
    )
    return f"Not measured ({'; '.join(what)})"


def _count(lines: Sequence[Line], verdict: str) -> int:
    return sum(line.verdict == verdict for line in lines)


def _growth_table(points: Sequence[Mapping[str, Any]], stages: Sequence[Growth]) -> str:
    head = ["stage", *(f"{point['ratings'] / 1e6:g} M" for point in points), "exponent"]
    rows = [
        [f"`{line.stage}`", *(_short(value) for value in line.values), _exponent(line)]
        for line in stages
        if any(value is not None for value in line.values)
    ]
    return table(head, rows)


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _exponent(line: Growth) -> str | None:
    if line.exponent is None:
        return None
    return f"**{line.exponent:.2f}**" if line.is_above_linear else f"{line.exponent:.2f}"


def _above_linear(*units: Sequence[Growth]) -> str:
    lines = []
    for unit, stages in zip(("time", "memory"), units, strict=True):
        for line in stages:
            if line.is_above_linear:
                why = f" Its arithmetic has {line.expected:g}: {line.why}." if line.why else ""
                lines.append(f"- Above linear in {unit}: `{line.stage}`, {line.exponent:.2f}.{why}")
    return "\n".join(lines) or "No stage is above linear."
