"""Models, responses and errors without a server."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

import runcycles
from runcycles import (
    Amount,
    BudgetExceededError,
    Caps,
    CommitRequest,
    CyclesError,
    CyclesMetrics,
    CyclesProtocolError,
    CyclesResponse,
    CyclesTransportError,
    CyclesValidationError,
    Decision,
    DecisionResponse,
    ErrorCode,
    ReservationCreateRequest,
    ReservationSummary,
    SignedAmount,
    Unit,
    _native,
    usd,
)
from runcycles.exceptions import CLASS_BY_KIND, error_from_report


@pytest.mark.parametrize(
    ("dollars", "microcents"),
    [("1.00", 100_000_000), ("0.01", 1_000_000), (2, 200_000_000), (Decimal("0.00000001"), 1), ("0", 0)],
)
def test_dollars_are_exact(dollars: Any, microcents: int) -> None:
    assert usd(dollars) == Amount(unit=Unit.USD_MICROCENTS, amount=microcents)


@pytest.mark.parametrize("dollars", [0.1, "abc", "-1", "0.000000001", "1e30", "NaN", "Infinity", None, True])
def test_what_is_not_dollars(dollars: Any) -> None:
    with pytest.raises(CyclesValidationError):
        usd(dollars)


@pytest.mark.parametrize("amount", [-1, 2**63, 1.5, "five", True, None])
def test_amounts_are_int64(amount: Any) -> None:
    with pytest.raises(ValidationError):
        Amount.tokens(amount)
    assert Amount.tokens(2**63 - 1).amount == 2**63 - 1
    assert Amount.tokens(5.0).amount == Amount.tokens("5").amount == 5
    assert SignedAmount(unit="TOKENS", amount=-5).amount == -5


def test_requests_refuse_unknown_fields_and_responses_ignore_them() -> None:
    with pytest.raises(ValidationError):
        CommitRequest.model_validate({"actual": {"unit": "TOKENS", "amount": 1}, "surprise": 1})
    with pytest.raises(ValidationError):
        ReservationCreateRequest.model_validate(
            {
                "subject": {"tenant": "a", "team": "b"},
                "action": {"kind": "k", "name": "n"},
                "estimate": {"unit": "TOKENS", "amount": 1},
            }
        )
    row = ReservationSummary.model_validate(
        {
            "reservation_id": "r",
            "status": "PAUSED",
            "subject": {"tenant": "a", "team": "b"},
            "action": {"kind": "k", "name": "n", "risk": "low"},
            "reserved": {"unit": "TOKENS", "amount": 1, "currency": "x"},
            "created_at_ms": 1,
            "expires_at_ms": 2,
            "finalized_at_ms": 3,
            "scope_path": "tenant:a",
            "affected_scopes": [],
            "surprise": 1,
        }
    )
    assert row.status == "PAUSED"
    assert row.reserved == Amount.tokens(1)
    assert not row.is_active()


def test_values_of_a_newer_server_stay_strings() -> None:
    assert DecisionResponse.model_validate({"decision": "ALLOW"}).decision is Decision.ALLOW
    newer = DecisionResponse.model_validate({"decision": "MAYBE", "cycles_evidence": None})
    assert newer.decision == "MAYBE"
    assert not newer.is_allowed()
    assert ErrorCode.from_string("BRAND_NEW") is ErrorCode.UNKNOWN
    assert ErrorCode.from_string(None) is None
    assert ErrorCode.LIMIT_EXCEEDED.is_retryable


def test_caps_with_empty_lists_restrict_nothing() -> None:
    assert Caps(tool_allowlist=[]).is_tool_allowed("search")
    assert Caps(tool_allowlist=["search"], tool_denylist=["search"]).is_tool_allowed("search")
    assert not Caps(tool_allowlist=["search"]).is_tool_allowed("mail")
    assert not Caps(tool_denylist=["mail"]).is_tool_allowed("mail")
    assert Caps(tool_denylist=[]).is_tool_allowed("mail")


def test_metrics() -> None:
    metrics = CyclesMetrics()
    assert metrics.is_empty()
    metrics.put_custom("turn", 1)
    metrics.tokens_input = 5
    assert metrics.to_wire() == {"tokens_input": 5, "custom": {"turn": 1}}
    with pytest.raises(ValidationError):
        metrics.tokens_input = -1


def test_response_headers() -> None:
    response = CyclesResponse.from_native(
        429,
        {
            "error": "LIMIT_EXCEEDED",
            "message": "slow down",
            "request_id": "r",
            "trace_id": "t",
            "surprise": 1,
        },
        [
            ("Retry-After", "3"),
            ("X-RateLimit-Remaining", "7"),
            ("X-RateLimit-Reset", "99"),
            ("X-Cycles-Tenant", "acme"),
            ("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ],
        None,
    )
    assert response.retry_after_ms_header == 3000
    assert response.rate_limit_remaining == 7
    assert response.rate_limit_reset == 99
    assert response.cycles_tenant == "acme"
    assert response.server_date_ms == 1_800_000_000_000
    assert response.error_message == "slow down"
    error = response.get_error_response()
    assert error is not None
    assert (error.request_id, error.trace_id) == ("r", "t")
    odd = CyclesResponse(503, headers={"retry-after": "Fri, 15 Jan 2027 08:00:00 GMT", "date": "soon"})
    assert (odd.retry_after_ms_header, odd.server_date_ms, odd.get_error_response()) == (None, None, None)


def test_every_kind_of_error_has_its_class() -> None:
    samples = _native.error_samples()
    assert set(samples) == set(CLASS_BY_KIND)
    for kind, error in samples.items():
        assert type(error) is CLASS_BY_KIND[kind]
        assert isinstance(error, CyclesError)
        assert isinstance(error, ValueError) == (kind in ("Validation", "Config"))
        assert error.message == str(error) == "sample"
        assert type(error).__name__ in runcycles.__all__
    refused = samples["BudgetExceeded"]
    assert isinstance(refused, BudgetExceededError)
    assert isinstance(refused, CyclesProtocolError)
    assert (refused.code, refused.status) == ("BUDGET_EXCEEDED", 409)
    assert (refused.request_id, refused.trace_id) == ("req-1", "trace-1")
    assert refused.details == {"scope": "tenant:acme"}
    assert samples["Transport"].code is None


def test_an_unknown_kind_is_an_internal_error() -> None:
    assert type(error_from_report({"kind": "Novel", "message": "m"})).__name__ == "CyclesInternalError"


def test_errors_can_be_pickled_and_built_by_users() -> None:
    error = error_from_report(
        {"kind": "TenantClosed", "message": "m", "code": "TENANT_CLOSED", "status": 409}
    )
    for clone in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(clone) is type(error)
        assert (str(clone), clone.code, clone.status) == ("m", "TENANT_CLOSED", 409)
    assert BudgetExceededError("m", error_code="BUDGET_EXCEEDED").code == "BUDGET_EXCEEDED"
    assert CyclesTransportError("m").is_retryable()
    assert CyclesProtocolError("m", status=503).is_retryable()


def test_every_public_name_exists() -> None:
    assert all(hasattr(runcycles, name) for name in runcycles.__all__)
