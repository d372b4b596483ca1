"""The command `recs`, and the interface for notebooks and programs."""

from nightly_recs.command import main, naming_hiding_modules
from nightly_recs.import_path import use_own_packages

with naming_hiding_modules():
    use_own_packages()  # before anything of flows, tasks or models is imported

__all__ = ["main"]
