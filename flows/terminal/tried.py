"""Output of `recs try`: a bar while the model is fitted, then the figures beside those of the night's models."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.terminal.console import Terminal, err
from tasks.tuning.try_setting import Tried

_METRICS = ("ndcg", "recall", "hit_rate", "mrr")


class TryTerminal:
    """A bar on stderr; calling it tells how far the fit is."""

    def __init__(self, model: str) -> None:
        self._terminal, self._name = Terminal(err), f"fit {model}"

    def __enter__(self) -> Self:
        self._terminal.__enter__()
        self._terminal.started(self._name, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.__exit__(kind, error, trace)

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are done."""
        self._terminal.advanced(self._name, None, done, total)


def show_tried(console: Console, found: Tried, options: Sequence[str]) -> None:
    """Print the tried model's figures, and by how much it is ahead of each of the night's models.

    Args:
        console: where to print.
        found: the figures.
        options: the settings that were tried, as typed.
    """
    tried, *others = found.judgements
    console.print(
        f"[italic]{escape(' '.join((found.model, *options)))} beside run {found.run_id}, "
        f"on the {found.n_users:,} users of the {found.half} half[/]",
        soft_wrap=True,
    )
    k = found.metric.partition("@")[2]
    metrics = [each for each in (f"{name}@{k}" for name in _METRICS) if each in tried.figures]
    metrics = list(dict.fromkeys((found.metric, *metrics)))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model")
    for metric in metrics:
        table.add_column(metric, justify="right")
    table.add_column(f"the tried one's lead ({found.metric})", justify="right")
    for each in (tried, *others):
        lead = each.lead.get(found.metric)
        means = (f"{each.figures[metric].mean:.4f}" for metric in metrics)
        ahead = "" if lead is None else f"{lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}]"
        table.add_row(each.model, *means, ahead, style="bold" if each is tried else "")
    console.print(table)
    fit = "" if found.fit_s is None else f"The fit took {_time(found.fit_s)}, "
    console.print(f"{fit}{'the' if fit else 'The'} lists of all held-out users {_time(found.list_s)}.")
    own = next((each.lead[found.metric] for each in others if each.model == found.model), None)
    if own is not None:
        console.print(_verdict(found, own.mean, own.low, own.high, own.detectable), soft_wrap=True)


def _verdict(found: Tried, mean: float, low: float, high: float, detectable: float) -> str:
    if low > 0:
        return f"Better than the night's {found.model} beyond chance, by {mean:.4f}."
    if high < 0:
        return f"Worse than the night's {found.model} beyond chance, by {-mean:.4f}."
    if low == high == 0:
        return f"The lists are as good as the night's {found.model} for every user."
    shown = f"these users would show one of {detectable:.4f}"
    return f"No difference from the night's {found.model} beyond chance: {shown}."


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"
