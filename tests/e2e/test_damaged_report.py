"""A report that is no text any more is no obstacle."""

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace


@pytest.mark.gcc
def test_a_report_of_other_bytes_than_text_is_no_obstacle(quick: Workspace) -> None:
    assert quick.nox(f"build-{NATIVE}").code == 0
    (quick.root / ".mpforge" / "report.jsonl").write_bytes(bytes(range(256)))
    run = quick.nox(f"build-{NATIVE}")
    assert run.code == 0, str(run)
    assert "Traceback" not in run.output, str(run)
    assert "1 built (1 cached)" in run.output
