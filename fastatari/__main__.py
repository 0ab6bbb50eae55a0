"""The command, as ``python -m fastatari``."""

import sys

from fastatari.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
