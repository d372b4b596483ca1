"""Load the fitted model that a reference points at."""

from __future__ import annotations

from models.base import Recommender
from models.registry import recommender_class
from tasks.artifacts import FittedModel


def load_model(fitted: FittedModel) -> Recommender:
    """Return the fitted recommender of a reference."""
    return recommender_class(fitted.model).load(fitted.folder)


def module_of(fitted: FittedModel) -> str:
    """Return the module of the class of a fitted recommender."""
    return recommender_class(fitted.model).__module__
