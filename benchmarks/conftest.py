"""Says what the figures are measured with."""

from benchmarks import timing


def pytest_report_header() -> str:
    """Name the machine, and the versions of everything that is compared."""
    return timing.write_environment(timing.describe_environment())
