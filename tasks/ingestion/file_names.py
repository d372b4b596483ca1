"""Read from a file's name whether it can be an input file, and if not, why."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from tasks.ingestion.first_bytes import Container

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|", ".dat": "", ".data": "", ".txt": ""}
"""The suffixes of text files, and the separator that each stands for; empty if it stands for none."""
PACKED: dict[Container, str] = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst", "zip": ".zip"}
"""The compressions that are read, and their suffixes."""
PARQUET = (".parquet", ".parq", ".pq")
USUAL = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")

_NO_DATA = re.compile(
    r"""(?xi)
      ^\.                                              # hidden: .DS_Store, ._SUCCESS.crc, what rsync is writing
    | ^_(SUCCESS|committed_|started_|metadata$|common_metadata$)   # Spark
    | ^(thumbs\.db|desktop\.ini|__macosx|pipeline\.toml)$
    | ~$ | \.sw[op]$ | ^~\$ | ^\#.*\#$                 # editors
    | \.(crc|md5|sha1|sha256|sha512)$
    | ^(readme|licen[cs]e|copying|notice|checksums?)(\.(txt|md|rst|html|pdf))?$
    """
)
_UNFINISHED = r"\.(tmp|temp|part|partial|crdownload|filepart|download)$"
_WHY = {
    r"\.(7z|rar|tar|tgz|tbz2?|txz|tar\.\w+|lz4|lzma|z|br|lzo|snappy)$": "an archive that is not read: unpack it",
    r"\.(jsonl?|ndjson)(\.\w+)?$": "JSON is not read: convert it to CSV or Parquet",
    r"\.(xlsx?|xlsm|xlsb|ods)$": "a spreadsheet: save it as CSV UTF-8",
    _UNFINISHED: "an unfinished transfer by its name",
    r"\.(bak|backup|old|orig|save)$": "a backup by its name",
    r"\.(orc|avro|arrow|feather|ipc|h5|hdf5?|pkl|pickle|np[yz]|mat|rds)$": "neither CSV nor Parquet",
    r"\.(sqlite3?|db|duckdb|sql|xml|html?|pdf|docx?|png|jpe?g|ya?ml|py|ipynb|log)(\.\w+)?$": "no CSV or Parquet",
}


def stem(name: str) -> str | None:
    """Return a file name without the suffixes of a readable format, such as `.csv.gz`; None if it has none."""
    unpacked = _without(name, PACKED.values()) or name
    plain = _without(unpacked, SEPARATORS)
    if plain is None and (plain := _without(unpacked, PARQUET)) is not None:
        plain = re.sub(r"(?i)\.(snappy|gz|gzip|zstd|lz4|brotli|lz4_raw|lzo)$", "", plain)
    if plain is None and unpacked != name and "." not in unpacked:
        return unpacked
    return plain


def without_numbers(name: str) -> str:
    """Return a name up to its first number: parts of one source, such as ratings_2023.csv, have it in common."""
    return re.split(r"\d", stem(name) or name, maxsplit=1)[0].rstrip("_-. (").casefold()


def is_part(name: str) -> bool:
    """Return whether this is a part that Spark or Hadoop wrote: one of many, perhaps without rows or suffix."""
    return name.lower().startswith("part-")


def is_readable(name: str) -> bool:
    """Return whether a file in a source's own folder can be read, by its name."""
    return stem(name) is not None or (is_part(name) and "." not in name)


def named_separator(name: str) -> str:
    """Return the separator that a text file's suffix stands for; empty if it stands for none."""
    unpacked = _without(name, PACKED.values()) or name
    return next((by for suffix, by in SEPARATORS.items() if unpacked.lower().endswith(suffix)), "")


def holds_no_data(name: str) -> bool:
    """Return whether a file or folder is known by its name to hold no data, such as `_SUCCESS` or `.DS_Store`."""
    return _NO_DATA.search(name) is not None


def why_unread(name: str) -> str:
    """Return why a file of this name cannot be read; empty if its format is one that can."""
    for pattern, why in _WHY.items():
        if re.search(f"(?i){pattern}", name):
            return why
    return "" if stem(name) is not None else "the format is not known"


def is_unfinished(name: str) -> bool:
    """Return whether a program gives such a name to a file until it is written: `ratings.csv.part`, `ratings.csv~`."""
    return re.search(f"(?i)~$|{_UNFINISHED}", name) is not None


def is_json(name: str) -> bool:
    """Return whether a file is JSON by its name."""
    return re.search(r"(?i)\.(jsonl?|ndjson)(\.gz|\.zst)?$", name) is not None


def json_to_csv(name: str) -> str:
    """Return a command that converts a JSON file of this name to CSV."""
    plain = re.sub(r"(?i)(\.(jsonl?|ndjson|csv|tsv|txt))?(\.(gz|zst))?$", "", name, count=1)
    target = f"{plain}.csv" if f"{plain}.csv" != name else f"{plain}-converted.csv"
    return f""".venv/bin/python -c "import duckdb; duckdb.read_json('{name}').write_csv('{target}')\""""


def is_partition(name: str) -> bool:
    """Return whether a sub-folder splits a source: `date=2024-01-01`, or a date such as `2024` or `2024-01-01`."""
    return re.fullmatch(r"[^=]+=.*|\d[\d_-]*", name) is not None


def partition_values(path: str) -> dict[str, str]:
    """Return the values that the folders of a path give, as Hive writes them: `event=view/…` → `{"event": "view"}`."""
    pairs = (part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    return {
        unquote(name): "" if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
        for name, value in pairs
    }


def _without(name: str, suffixes: Iterable[str]) -> str | None:
    found = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
    return name[: -len(found)] if found and len(name) > len(found) else None
