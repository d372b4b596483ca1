"""The command `recs`, and the interface for notebooks and programs."""

from nightly_recs.command import main, refuse_other_packages

__all__ = ["main", "refuse_other_packages"]
