"""stub"""

from pathlib import Path


def write_page(found, outcome):
    return found.results.folder / "replay.html"
