"""Find out how a text file is to be read: compression, encoding, separator, header.

The settings decide; where they leave it open, the file's first bytes and its header do.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tasks.artifacts import Source
from tasks.errors import NightError, UsageError
from tasks.ingestion.file_names import json_to_csv, named_separator
from tasks.ingestion.first_bytes import (
    Container,
    container_of,
    foreign_format,
    is_parquet,
    marked_encoding,
    unmarked_utf16,
)
from tasks.ingestion.read_errors import truncated
from tasks.ingestion.unpack import open_unpacked

UTF8 = "utf-8-sig"
_SEPARATORS = (",", ";", "\t", "|", "::", " ")
_SAMPLE = 50
_PREAMBLE = 20
"""Lines in front of a header that are looked at."""
_MAX_SEPARATOR = 4  # bytes, of DuckDB's reader
_COMMENT = re.compile(r"\s*(?:#|//|--|%|/\*)")
_ANY_OTHERS = ("...", "…")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
_TIME = re.compile(r"\d{9,}(?:\.\d+)?|\d{4}-\d\d-\d\d.*")


@dataclass(frozen=True)
class TextOptions:
    """Settings of a source's text files.

    Attributes:
        source: the source, to name its settings in errors.
        names: the names of the columns to read.
        required: those without which a file cannot be read.
        header: the columns of files without a header, in order; empty if they have one.
        separator: between columns; empty to find it out.
        encoding: a codec's name, or `auto`.
        quotes: whether quotes have a meaning.
    """

    source: Source
    names: tuple[str, ...]
    required: frozenset[str]
    header: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = "auto"
    quotes: bool = True

    def setting(self, name: str) -> str:
        """Return the full name of a setting of this source."""
        return f"data.{self.source}.{name}"


@dataclass(frozen=True)
class TextFormat:
    """How to read one text file.

    Attributes:
        container: its compression.
        encoding: a codec's name; `UTF8` also if it has a byte order mark.
        separator: between columns, up to 4 bytes.
        quote: the quote character. A separator of several characters, as MovieLens' `::`, usually comes without quotes:
            then it is empty unless the whole first line is quoted.
        header: the names of its columns.
        has_header: whether they are its first line; else they are from the settings.
        found: in words, what neither its name nor the settings say.
    """

    container: Container
    encoding: str
    separator: str
    quote: str
    header: tuple[str, ...]
    has_header: bool
    found: tuple[str, ...]


def text_format(path: Path, options: TextOptions, container: Container, head: bytes) -> TextFormat:
    """Return how to read the text file at `path`.

    Args:
        path: the file.
        options: what the settings say.
        container: its compression.
        head: its first bytes, unpacked.

    Raises:
        NightError: it is empty, another format, or not in its encoding.
        UsageError: it has no header, or another separator or number of columns than the settings say.
    """
    _refuse_other_formats(path, container, head)
    encoding, found = _encoding(options, head)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError as error:  # UTF-16 raises it where the byte order mark is missing
        raise undecodable(path, options.source, container, encoding, error) from error
    if "\0" in text.partition("\n")[0]:
        raise NightError(
            f"{path} holds NUL bytes in its first line: it is binary or damaged.", "Deliver it again."
        )
    if not text:
        raise NightError(f"{path} is empty.", "Deliver it again, or take it away.")
    separator, header, has_header = _columns(path, options, text)
    if separator != (options.separator or named_separator(path.name) or ","):
        found.append(f"columns separated by {separator!r}")
    if options.header and has_header:
        found.append(f"a header, so that {options.setting('columns')} is not needed for it")
    may_quote = len(separator) == 1 or _is_quoted(_first_line(text).split(separator))
    quote = '"' if options.quotes and may_quote else ""
    return TextFormat(container, encoding, separator, quote, header, has_header, tuple(found))


def undecodable(
    path: Path, source: Source, container: Container, encoding: str, error: UnicodeError | None = None
) -> NightError:
    """Return the error for a text that is not in its encoding: it names the line, and the setting to use.

    Args:
        path, source, container: the file, its source, and its compression.
        encoding: the encoding that it is not in.
        error: from the codec; None if DuckDB noticed it.
    """
    if encoding != UTF8 and isinstance(error, UnicodeDecodeError) and error.reason == "truncated data":
        return truncated(path, f"its last character is cut, in {encoding}")
    setting = f"data.{source}.encoding"
    name = "UTF-8" if encoding == UTF8 else encoding
    if encoding not in (UTF8, "ascii"):
        return NightError(
            f"{path} is not {name}.",
            f"Set {setting} to its encoding, or deliver it in UTF-8.",
        )
    with open_unpacked(path, container) as data:
        for number, line in enumerate(data, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as bad:
                if bad.reason == "unexpected end of data" and not line.endswith(b"\n"):
                    return truncated(path, f"line {number}, its last, ends within a character")
                guess = _western(line[max(0, bad.start - 30) : bad.start + 30])
                seen = f", which in {guess[0]} reads {guess[1]!r}" if guess else ""
                return NightError(
                    f"{path} is not {name}: line {number} holds the byte 0x{line[bad.start]:02X}{seen}.",
                    f'If that reads well, set {setting} = "{guess[0]}"; else name the encoding it has.'
                    if guess
                    else f"Set {setting} to the encoding it has, or deliver it in UTF-8.",
                )
    return NightError(f"{path} is not {name}.", f"Set {setting} to the encoding it has.")


def _western(sample: bytes) -> tuple[str, str] | None:
    """Return the encoding of Western Europe that may hold these bytes, and what they read in it."""
    for name in ("cp1252", "latin-1"):
        try:
            text = sample.decode(name).strip("\r\n")
        except UnicodeDecodeError:
            continue
        if text.isprintable() or "\t" in text:
            return name, text
    return None


def _refuse_other_formats(path: Path, container: Container, head: bytes) -> None:
    if not head:
        raise NightError(f"{path} is empty.", "Deliver it again, or take it away.")
    inside = "" if container == "plain" else f" inside {container}"
    if kind := foreign_format(head):
        hint = "Deliver CSV or Parquet in its place."
        if "LFS" in kind:
            hint = "Fetch the data with `git lfs pull`."
        elif kind == "JSON":
            hint = f"Convert it to CSV or Parquet, such as by {json_to_csv(path.name)}."
        elif "converted" in kind:
            hint = "Deliver the file as it was before that: it needs no conversion."
        raise NightError(f"{path} is {kind}{inside}; text or Parquet was expected.", hint)
    if inside and (is_parquet(head) or container_of(head) != "plain"):
        kind = "Parquet" if is_parquet(head) else container_of(head)
        raise NightError(
            f"{path} holds {kind}{inside}; text was expected there.", f"Unpack the {container} once."
        )


def _encoding(options: TextOptions, head: bytes) -> tuple[str, list[str]]:
    """Return the encoding, and what was found. A byte order mark is right, whatever the settings say."""
    if marked := marked_encoding(head):
        asked = options.encoding.replace("_", "-")
        said = marked == UTF8 or asked.startswith(marked)
        return marked, [] if said else [f"{marked.upper()} text"]
    unmarked = unmarked_utf16(head)
    if options.encoding == "utf-16" and unmarked:
        return unmarked, []
    if options.encoding != "auto":
        return UTF8 if options.encoding in ("utf-8", UTF8, "ascii") else options.encoding, []
    if unmarked:
        return unmarked, [f"{unmarked.upper()} text without byte order mark"]
    return UTF8, []


def _columns(path: Path, options: TextOptions, text: str) -> tuple[str, tuple[str, ...], bool]:
    """Return the separator, the columns, and whether the first line names them."""
    named = options.separator or named_separator(path.name)
    order = (
        (options.separator,)
        if options.separator
        else tuple(dict.fromkeys(filter(None, (named, *_SEPARATORS))))
    )
    first = {separator: _header(text, separator, options) for separator in order}
    for separator, header in first.items():
        if options.required <= set(header):
            if separator == " " and "" in header:
                _refuse_aligned(path, text)
            return separator, header, True
    if not options.header:
        _refuse_headerless(path, options, text, first)
        separator = max(first, key=lambda separator: len(first[separator]))
        return separator, first[separator], True  # the columns are checked later
    if options.header[-1] in _ANY_OTHERS:
        fullest = max(order, key=lambda separator: len(first[separator]))
        others = len(first[fullest]) - len(options.header) + 1
        if others >= 0:
            return fullest, options.header[:-1] + ("",) * others, False
    n = len(options.header)
    fitting = {separator: _share_of_records(text, separator, n) for separator in order}
    best = max(fitting, key=lambda separator: fitting[separator])
    if fitting[best] <= 0.5:
        _refuse_aligned(path, text)
        shown = options.separator or max(order, key=lambda separator: len(first[separator]))
        has = len(first[shown])
        candidates = (*_SEPARATORS, _unusual_separator(text))
        other = next((by for by in candidates if by and _share_of_records(text, by, n) > 0.5), "")
        raise UsageError(
            f"{path} has {has} column{'s' * (has != 1)} when separated by {shown!r}, but "
            f"{options.setting('columns')} names {n}. Its first line: {_shown(_first_line(text))}.",
            f"Set {options.setting('separator')} = {_toml(other)}: that gives {n}."
            if other
            else f"Name all its columns in order, or set {options.setting('separator')}.",
        )
    return best, options.header, False


def _refuse_headerless(
    path: Path, options: TextOptions, text: str, first: dict[str, tuple[str, ...]]
) -> None:
    """Raise if the first line is no header, or one with another separator than the settings say."""
    line = _first_line(text)
    if not line.strip():
        raise UsageError(
            f"{path} begins with an empty line; its header was expected.", "Take that line away."
        )
    if re.fullmatch(r'"?sep=.{1,2}', line, re.IGNORECASE):
        raise UsageError(
            f"{path} begins with Excel's line {line!r}; its header was expected.", "Take that line away."
        )
    _refuse_preamble(path, options, text)
    header = max(first.values(), key=len)
    if len(header) in (1, len(first.get(" ", ()))):
        _refuse_aligned(path, text)
    if len(header) == 1:  # the setting may name the wrong separator
        others = {other: _header(text, other, options) for other in _SEPARATORS}
        header = max(others.values(), key=len)
        fitting = next((other for other, names in others.items() if options.required <= set(names)), "")
        if fitting:
            raise UsageError(
                f"{path} separates its columns by {fitting!r}, not by {options.separator!r}.",
                f"Mend {options.setting('separator')}, or leave it out.",
            )
        if other := _unusual_separator(text):
            raise UsageError(
                f"{path} seems to separate its columns by {other!r}: its first line is {_shown(line)}.",
                f"Write {options.setting('separator')} = {_toml(other)}.",
            )
    if _looks_like_data(header, options):
        usual = ", ".join(f'"{name}"' for name in options.names[: len(header)])
        more = ", …" if len(header) > len(options.names) else ""
        raise UsageError(
            f"{path} has no header: its first line looks like data, {_shown(line)}.",
            f"Name its columns in their order, such as {options.setting('columns')} = [{usual}{more}].",
        )


def _refuse_preamble(path: Path, options: TextOptions, text: str) -> None:
    """Raise if the header is behind other lines, or the first line is a comment."""
    lines = list(islice(io.StringIO(text, newline=""), _PREAMBLE + 1))
    for at, line in enumerate(lines[1:], start=2):
        if any(options.required <= set(_header(line, by, options)) for by in _SEPARATORS):
            before = "that line" if at == 2 else f"the first {at - 1} lines"
            raise UsageError(
                f"{path} has its header in line {at}, behind {_shown(lines[0].strip())}.",
                f"Take {before} away: tail -n +{at} {shlex.quote(path.name)} > clean.csv",
            )
    if _COMMENT.match(lines[0]) and not any(name in lines[0] for name in options.required):
        raise UsageError(
            f"{path} begins with a comment line, {_shown(lines[0].strip())}; its header was expected.",
            "Take that line away.",
        )


def _refuse_aligned(path: Path, text: str) -> None:
    """Raise if several blanks align the columns."""
    lines = [line.rstrip("\r\n") for line in islice(io.StringIO(text, newline=""), _SAMPLE)]
    lines = [line for line in lines[:-1] or lines if line.strip()]
    counts = {len(line.split()) for line in lines}
    if len(counts) == 1 and counts.pop() > 1 and any(re.search(r"^ +\S|\S {2,}\S", line) for line in lines):
        command = f"sed -E 's/^ +//; s/ +$//; s/ +/,/g' {shlex.quote(path.name)} > clean.csv"
        raise UsageError(
            f"{path} aligns its columns by several blanks: {_shown(lines[0])}; one separator was expected.",
            f"Replace them: {command}",
        )


def _unusual_separator(text: str) -> str:
    """Return a separator that is not tried, such as `#`, if each of the first lines holds it equally often; else empty.

    Letters, digits and what numbers, dates and names hold are none.
    """
    lines = [line.rstrip("\r\n") for line in islice(io.StringIO(text, newline=""), _SAMPLE)]
    lines = [line for line in lines[:-1] or lines if line]
    found: Counter[str] = (
        Counter(re.findall(r"[^\w\s\"'.:+-]{1,4}|[\x01-\x08\x1c-\x1f]", lines[0])) if lines else Counter()
    )
    for candidate, n in found.most_common():
        fits = sum(line.count(candidate) == n for line in lines)
        is_tried = candidate in _SEPARATORS or len(candidate.encode()) > _MAX_SEPARATOR
        if not is_tried and fits > 0.9 * len(lines):
            return candidate
    return ""


def _toml(separator: str) -> str:
    return repr(separator) if separator.isprintable() else json.dumps(separator)


def _looks_like_data(record: tuple[str, ...], options: TextOptions) -> bool:
    """Return whether the record begins with a number or holds a time, and names no column that is looked for."""
    known = {name.casefold() for name in options.names}
    is_datum = _NUMBER.fullmatch(record[0]) is not None or any(map(_TIME.fullmatch, record))
    return is_datum and not known & {cell.casefold() for cell in record}


def _header(text: str, separator: str, options: TextOptions) -> tuple[str, ...]:
    """Return the first record's values, without blanks around names."""
    record = next(_records(text, separator), [])
    return tuple(cell if cell in options.names else cell.strip() for cell in record)


def _share_of_records(text: str, separator: str, n_columns: int) -> float:
    """Return how many of the first records have so many columns; the last one may be cut."""
    records = [record for record in islice(_records(text, separator), _SAMPLE + 1) if record]
    records = records[:-1] or records
    return sum(len(record) == n_columns for record in records) / max(1, len(records))


def _records(text: str, separator: str) -> Iterator[list[str]]:
    if len(separator) > 1:
        lines = (line.rstrip("\r\n").split(separator) for line in io.StringIO(text, newline=""))
        return ([cell[1:-1] for cell in cells] if _is_quoted(cells) else cells for cells in lines)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _is_quoted(cells: list[str]) -> bool:
    return all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)


def _first_line(text: str) -> str:
    return next(iter(io.StringIO(text, newline="")), "").rstrip("\r\n")


def _shown(line: str) -> str:
    return repr(line if len(line) <= 120 else line[:120] + "…")
