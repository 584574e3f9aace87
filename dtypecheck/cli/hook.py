"""What pre-commit runs: a scan for which files that have nothing to do with models are no failure.

`python -m dtypecheck.cli.hook [OPTIONS] FILE...`, see .pre-commit-hooks.yaml.
"""

from __future__ import annotations

import sys

from ..policy import CLEAN, NOTHING
from . import main as run


def main() -> None:
    """Scan; exit codes as of `dtypecheck scan`, but 0 where nothing could be looked at."""
    try:
        run(["scan", *sys.argv[1:]])
    except SystemExit as done:
        sys.exit(CLEAN if done.code == NOTHING else done.code)


if __name__ == "__main__":
    main()
