"""The table `[monitoring]` of the settings: what tells other programs how nights go."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from models.settings_base import Options

_SUFFIX = ".prom"


class MonitoringSettings(Options):
    """Files with a night's figures for other programs. No list depends on these settings."""

    metrics_file: str = Field(
        default="",
        description="The Prometheus text file that every night replaces when it has ended, for the textfile collector "
        "of node_exporter; a relative path is one in the home. Empty: none.",
    )

    @field_validator("metrics_file")
    @classmethod
    def _collector_reads_it(cls, value: str) -> str:
        if value and Path(value).suffix != _SUFFIX:
            raise ValueError(
                f"{value!r} does not end in {_SUFFIX}: the textfile collector reads no other files; "
                "write it as /var/lib/node_exporter/textfile/recs.prom"
            )
        return value

    def metrics_path(self, home: Path) -> Path | None:
        """Return the path of the metrics file of a home; None without one. `~` is expanded."""
        return home / Path(self.metrics_file).expanduser() if self.metrics_file else None
