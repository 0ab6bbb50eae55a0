"""Says what the figures are measured with."""

import contenders


def pytest_report_header() -> str:
    """Name the machine, and the versions of everything that is compared."""
    return contenders.write_environment(contenders.describe_environment())
