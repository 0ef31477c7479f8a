"""`python -m runcycles`."""

from __future__ import annotations

import sys

from runcycles.doctor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
