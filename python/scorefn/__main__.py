"""``python -m scorefn``: the same as the command ``scorefn``."""

import sys

from scorefn.cli import main

sys.exit(main())
