"""The extra packages that exports need."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from tasks.errors import UsageError

_MODULES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "ann": ("faiss",)}
_DISTRIBUTIONS = ("nightly-recs", "torch", "onnx", "onnxscript", "onnxruntime", "numpy", "faiss-cpu")


def require_extra(extra: str, purpose: str) -> None:
    """Raise a UsageError with the command that installs the extra, if a package of it is absent.

    Args:
        extra: `onnx` or `ann`.
        purpose: what needs it, such as `recs export`.
    """
    absent = [name for name in _MODULES[extra] if find_spec(name) is None]
    if absent:
        are = "is" if len(absent) == 1 else "are"
        raise UsageError(
            f"{purpose} needs {', '.join(absent)}, which {are} not installed.",
            f"Install {'it' if len(absent) == 1 else 'them'} with: pip install 'nightly-recs[{extra}]'",
        )


def versions() -> Mapping[str, str]:
    """Return the versions of the libraries that an export is made with."""
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
