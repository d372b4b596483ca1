"""Make the pictures of the README: the page of the demo's latest night, as a browser shows it.

python -m tests.docs_screenshots [--home data/demo] [--width 1280] [--height 860] [--out docs/img/report.png]

A Chromium must be installed (Debian's package `chromium`). `make pipeline` makes the page.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def latest_page(home: Path) -> Path:
    """Return the page of the latest night that has one.

    Raises:
        SystemExit: there is none.
    """
    pages = sorted(home.glob("runs/*/report.html"))
    if not pages:
        sys.exit(f"There is no page in {home / 'runs'}. Run a night first: make pipeline")
    return pages[-1]


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    """Write a PNG of the top of a page.

    Args:
        page: an HTML file.
        picture: the file to write.
        width: of the window, in pixels.
        height: of the window, in pixels.

    Raises:
        SystemExit: no Chromium is installed.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        sys.exit(f"No browser was found: one of {', '.join(NAMES)} is needed.")
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={profile}", f"--window-size={width},{height}",
                f"--screenshot={picture.resolve()}", page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, default=ROOT / "data" / "demo")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=860)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img" / "report.png")
    asked = parser.parse_args()
    screenshot(latest_page(asked.home), asked.out, asked.width, asked.height)
    sys.stdout.write(f"{asked.out}: {asked.out.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
