"""The table `[resources]` of the settings: the threads and the memory of a night."""

from __future__ import annotations

from pydantic import Field, field_validator

from models.numerics.resources import use_resources
from models.settings_base import Options

_LEAST_GB = 0.5


class ResourcesSettings(Options):
    """Limits for DuckDB, BLAS, OpenMP, numba, torch, implicit and Arrow, and for the memory of the models."""

    threads: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="Threads that compute at the same time; 0: as many as the machine or its control group (cgroup) "
        "allows.",
    )
    memory_gb: float = Field(
        default=0,
        ge=0,
        le=100_000,
        description="DuckDB takes half of it at most, then writes to disk; the default of each model's memory_mb is a "
        "quarter of it at most. 0: what the machine or its control group allows.",
    )

    def put_into_force(self, fits: int = 1) -> None:
        """Limit this process, before its work begins; `fits` models at most are fitted beside each other."""
        import pyarrow as pa  # noqa: PLC0415  (slow to import)

        pa.set_cpu_count(use_resources(self.threads, self.memory_gb, fits).threads)

    @field_validator("memory_gb")
    @classmethod
    def _a_night_needs_memory(cls, value: float) -> float:
        if 0 < value < _LEAST_GB:
            raise ValueError(f"a night needs {_LEAST_GB} at least; 0 is what the machine allows")
        return value
