"""`python -m seglib` is the same as the command `seglib`."""

import sys

from .cli import main

sys.exit(main())
