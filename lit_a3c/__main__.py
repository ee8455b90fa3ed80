"""``python -m lit_a3c``."""

import sys

from lit_a3c.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
