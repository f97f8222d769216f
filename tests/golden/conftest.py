"""``nox -s golden`` (``pytest tests/golden --regenerate-golden``) writes plans and ingredients anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-golden",
        action="store_true",
        help="write every golden file anew instead of comparing with it; review the diff",
    )
