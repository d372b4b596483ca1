"""Numbers, durations, names from the code and notes, as the page writes them."""

from __future__ import annotations


def figure(value: float | None) -> str:
    """Return a metric's value: three decimals below 10, one above; a dash for no value."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign and so many decimals."""
    return f"{value:+.{digits}f}".replace("-", "−")


def amount(value: float | None) -> str:
    """Return the value of a check: a whole number without decimals, others with four digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def duration(seconds: float) -> str:
    """Return a time such as 8.3 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def readable(name: str) -> str:
    """Return a name from the code as words, such as 'Held back' for held_back."""
    words = name.replace("_", " ").replace(":", ": ")
    return words[:1].upper() + words[1:]


def sentence(text: str) -> str:
    """Return a note with a full stop; an empty one stays empty."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."
