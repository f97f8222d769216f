"""``python -m mpforge``."""

from mpforge.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
