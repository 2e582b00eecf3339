"""`python -m seglib` is the same as the command `seglib`."""

from .cli import main

raise SystemExit(main())
