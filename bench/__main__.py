"""``python -m edgebench``."""

import sys

from .cli import main

sys.exit(main())
