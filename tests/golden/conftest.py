"""``pytest tests/golden --regenerate-golden`` (or ``nox -s golden``) writes the plans anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-golden",
        action="store_true",
        help="write every case.plan.json anew instead of comparing with it; review the diff",
    )
