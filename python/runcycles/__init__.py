"""Budgets for agents: reserve before the call, commit what it cost, refuse what does not fit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from runcycles import _native as _native
except ImportError as _error:
    if "subinterpreter" not in str(_error):
        raise
    raise ImportError(
        "runcycles does not run in a subinterpreter; "
        "use it in the main interpreter, or in a process of its own"
    ) from _error

if TYPE_CHECKING:
    from runcycles.client import (
        AsyncCyclesClient as AsyncCyclesClient,
    )
    from runcycles.client import (
        CyclesClient as CyclesClient,
    )
    from runcycles.config import (
        CyclesConfig as CyclesConfig,
    )
    from runcycles.context import (
        CyclesContext as CyclesContext,
    )
    from runcycles.context import (
        Settlement as Settlement,
    )
    from runcycles.context import (
        get_cycles_context as get_cycles_context,
    )
    from runcycles.decorator import (
        cycles as cycles,
    )
    from runcycles.defaults import (
        set_default_client as set_default_client,
    )
    from runcycles.defaults import (
        set_default_config as set_default_config,
    )
    from runcycles.enums import (
        CommitOveragePolicy as CommitOveragePolicy,
    )
    from runcycles.enums import (
        CommitStatus as CommitStatus,
    )
    from runcycles.enums import (
        Decision as Decision,
    )
    from runcycles.enums import (
        ErrorCode as ErrorCode,
    )
    from runcycles.enums import (
        EventStatus as EventStatus,
    )
    from runcycles.enums import (
        ExtendStatus as ExtendStatus,
    )
    from runcycles.enums import (
        ReleaseStatus as ReleaseStatus,
    )
    from runcycles.enums import (
        ReservationStatus as ReservationStatus,
    )
    from runcycles.enums import (
        Unit as Unit,
    )
    from runcycles.exceptions import (
        BudgetExceededError as BudgetExceededError,
    )
    from runcycles.exceptions import (
        CyclesConfigError as CyclesConfigError,
    )
    from runcycles.exceptions import (
        CyclesError as CyclesError,
    )
    from runcycles.exceptions import (
        CyclesInternalError as CyclesInternalError,
    )
    from runcycles.exceptions import (
        CyclesProtocolError as CyclesProtocolError,
    )
    from runcycles.exceptions import (
        CyclesTransportError as CyclesTransportError,
    )
    from runcycles.exceptions import (
        CyclesTypeError as CyclesTypeError,
    )
    from runcycles.exceptions import (
        CyclesValidationError as CyclesValidationError,
    )
    from runcycles.exceptions import (
        DebtOutstandingError as DebtOutstandingError,
    )
    from runcycles.exceptions import (
        OverdraftLimitExceededError as OverdraftLimitExceededError,
    )
    from runcycles.exceptions import (
        ReservationExpiredError as ReservationExpiredError,
    )
    from runcycles.exceptions import (
        ReservationFinalizedError as ReservationFinalizedError,
    )
    from runcycles.exceptions import (
        TenantClosedError as TenantClosedError,
    )
    from runcycles.models import (
        Action as Action,
    )
    from runcycles.models import (
        Amount as Amount,
    )
    from runcycles.models import (
        Balance as Balance,
    )
    from runcycles.models import (
        BalanceResponse as BalanceResponse,
    )
    from runcycles.models import (
        Caps as Caps,
    )
    from runcycles.models import (
        CommitRequest as CommitRequest,
    )
    from runcycles.models import (
        CommitResponse as CommitResponse,
    )
    from runcycles.models import (
        CyclesEvidenceRef as CyclesEvidenceRef,
    )
    from runcycles.models import (
        CyclesMetrics as CyclesMetrics,
    )
    from runcycles.models import (
        DecisionRequest as DecisionRequest,
    )
    from runcycles.models import (
        DecisionResponse as DecisionResponse,
    )
    from runcycles.models import (
        DryRunResult as DryRunResult,
    )
    from runcycles.models import (
        ErrorResponse as ErrorResponse,
    )
    from runcycles.models import (
        EventCreateRequest as EventCreateRequest,
    )
    from runcycles.models import (
        EventCreateResponse as EventCreateResponse,
    )
    from runcycles.models import (
        ReleaseRequest as ReleaseRequest,
    )
    from runcycles.models import (
        ReleaseResponse as ReleaseResponse,
    )
    from runcycles.models import (
        ReservationCreateRequest as ReservationCreateRequest,
    )
    from runcycles.models import (
        ReservationCreateResponse as ReservationCreateResponse,
    )
    from runcycles.models import (
        ReservationDetail as ReservationDetail,
    )
    from runcycles.models import (
        ReservationExtendRequest as ReservationExtendRequest,
    )
    from runcycles.models import (
        ReservationExtendResponse as ReservationExtendResponse,
    )
    from runcycles.models import (
        ReservationListResponse as ReservationListResponse,
    )
    from runcycles.models import (
        ReservationSummary as ReservationSummary,
    )
    from runcycles.models import (
        SignedAmount as SignedAmount,
    )
    from runcycles.models import (
        Subject as Subject,
    )
    from runcycles.money import (
        microcents as microcents,
    )
    from runcycles.money import (
        usd as usd,
    )
    from runcycles.notifications import (
        JournalStats as JournalStats,
    )
    from runcycles.notifications import (
        Notification as Notification,
    )
    from runcycles.reservation import (
        AsyncReservation as AsyncReservation,
    )
    from runcycles.reservation import (
        Reservation as Reservation,
    )
    from runcycles.response import (
        CyclesResponse as CyclesResponse,
    )
    from runcycles.streaming import (
        AsyncStreamReservation as AsyncStreamReservation,
    )
    from runcycles.streaming import (
        StreamReservation as StreamReservation,
    )
    from runcycles.streaming import (
        StreamUsage as StreamUsage,
    )

__version__ = "0.6.0"

# Where each public name lives. Modules load when their names are first used, so that
# importing the package costs little.
_MODULES = {
    "client": (
        "AsyncCyclesClient",
        "CyclesClient",
    ),
    "config": ("CyclesConfig",),
    "context": (
        "CyclesContext",
        "Settlement",
        "get_cycles_context",
    ),
    "decorator": ("cycles",),
    "defaults": (
        "set_default_client",
        "set_default_config",
    ),
    "enums": (
        "CommitOveragePolicy",
        "CommitStatus",
        "Decision",
        "ErrorCode",
        "EventStatus",
        "ExtendStatus",
        "ReleaseStatus",
        "ReservationStatus",
        "Unit",
    ),
    "exceptions": (
        "BudgetExceededError",
        "CyclesConfigError",
        "CyclesError",
        "CyclesInternalError",
        "CyclesProtocolError",
        "CyclesTransportError",
        "CyclesTypeError",
        "CyclesValidationError",
        "DebtOutstandingError",
        "OverdraftLimitExceededError",
        "ReservationExpiredError",
        "ReservationFinalizedError",
        "TenantClosedError",
    ),
    "models": (
        "Action",
        "Amount",
        "Balance",
        "BalanceResponse",
        "Caps",
        "CommitRequest",
        "CommitResponse",
        "CyclesEvidenceRef",
        "CyclesMetrics",
        "DecisionRequest",
        "DecisionResponse",
        "DryRunResult",
        "ErrorResponse",
        "EventCreateRequest",
        "EventCreateResponse",
        "ReleaseRequest",
        "ReleaseResponse",
        "ReservationCreateRequest",
        "ReservationCreateResponse",
        "ReservationDetail",
        "ReservationExtendRequest",
        "ReservationExtendResponse",
        "ReservationListResponse",
        "ReservationSummary",
        "SignedAmount",
        "Subject",
    ),
    "money": (
        "microcents",
        "usd",
    ),
    "notifications": (
        "JournalStats",
        "Notification",
    ),
    "reservation": (
        "AsyncReservation",
        "Reservation",
    ),
    "response": ("CyclesResponse",),
    "streaming": (
        "AsyncStreamReservation",
        "StreamReservation",
        "StreamUsage",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


# A type checker that saw this would believe in every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"runcycles.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})


__all__ = [
    "Action",
    "Amount",
    "AsyncCyclesClient",
    "AsyncReservation",
    "AsyncStreamReservation",
    "Balance",
    "BalanceResponse",
    "BudgetExceededError",
    "Caps",
    "CommitOveragePolicy",
    "CommitRequest",
    "CommitResponse",
    "CommitStatus",
    "CyclesClient",
    "CyclesConfig",
    "CyclesConfigError",
    "CyclesContext",
    "CyclesError",
    "CyclesEvidenceRef",
    "CyclesInternalError",
    "CyclesMetrics",
    "CyclesProtocolError",
    "CyclesResponse",
    "CyclesTransportError",
    "CyclesTypeError",
    "CyclesValidationError",
    "DebtOutstandingError",
    "Decision",
    "DecisionRequest",
    "DecisionResponse",
    "DryRunResult",
    "ErrorCode",
    "ErrorResponse",
    "EventCreateRequest",
    "EventCreateResponse",
    "EventStatus",
    "ExtendStatus",
    "JournalStats",
    "Notification",
    "OverdraftLimitExceededError",
    "ReleaseRequest",
    "ReleaseResponse",
    "ReleaseStatus",
    "Reservation",
    "ReservationCreateRequest",
    "ReservationCreateResponse",
    "ReservationDetail",
    "ReservationExpiredError",
    "ReservationExtendRequest",
    "ReservationExtendResponse",
    "ReservationFinalizedError",
    "ReservationListResponse",
    "ReservationStatus",
    "ReservationSummary",
    "Settlement",
    "SignedAmount",
    "StreamReservation",
    "StreamUsage",
    "Subject",
    "TenantClosedError",
    "Unit",
    "cycles",
    "get_cycles_context",
    "microcents",
    "set_default_client",
    "set_default_config",
    "usd",
]
