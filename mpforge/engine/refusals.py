"""Make the error of a planned refusal, completed with what this host says."""

from mpforge.errors import (
    HostCannot,
    MpforgeError,
    NoStrategy,
    NotAvailableYet,
    UnknownExtra,
    UnknownGroup,
    WrongInput,
)
from mpforge.plan.sessions import Refusal


def refusal_error(refusal: Refusal) -> MpforgeError:
    """Return the error of a session that this host can't run."""
    known = (NotAvailableYet, NoStrategy, HostCannot, WrongInput, UnknownExtra, UnknownGroup)
    kinds = {kind.code: kind for kind in known}
    kind = kinds[refusal.error]
    return kind(refusal.what, why=refusal.why, hint=refusal.hint)


class NotRun(Exception):
    """Raised if a session turns out to have nothing to do; its text says why."""
