"""Why a session does not run: the error of a planned refusal, and what it finds out on the way."""

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
    """The error of a session that this host can't run."""
    known = (NotAvailableYet, NoStrategy, HostCannot, WrongInput, UnknownExtra, UnknownGroup)
    kinds = {kind.code: kind for kind in known}
    kind = kinds[refusal.error]
    return kind(refusal.what, why=refusal.why, hint=refusal.hint)


class NotRun(Exception):
    """A session has nothing to do after all; its text says why."""
