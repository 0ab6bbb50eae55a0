"""Makes the package `benchmarks` importable, which is not installed.

Its parent folder must not be on Python's path, because there the sources would hide the fastatari that is installed.
"""

import contextlib
import importlib.util
import multiprocessing
import sys
from pathlib import Path

_PATH = Path(__file__).parents[1] / "benchmarks" / "__init__.py"

if "benchmarks" not in sys.modules:
    spec = importlib.util.spec_from_file_location("benchmarks", _PATH)
    sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)


@contextlib.contextmanager
def forking():
    """Fork processes meanwhile, as the commands do."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)
