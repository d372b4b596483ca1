"""The nightly flow as a deployment names it: `nightly_recs.flow.nightly`.

The process that a worker of Prefect's starts for a night knows nothing but this name. Importing it lets `flows`,
`tasks` and `models` be found, which in an installed wheel are not on the import path.
"""

from nightly_recs.command import refuse_hiding_modules

refuse_hiding_modules()

from flows.nightly import nightly  # noqa: E402

__all__ = ["nightly"]
