"""``python -m flowgraph``: the command line (cli/)."""

import sys

from flowgraph.cli import main

if __name__ == "__main__":
    sys.exit(main())
