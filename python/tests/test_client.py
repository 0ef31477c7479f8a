"""The low-level clients, configuration and responses."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import SEED, balance

from runcycles import (
    Action,
    Amount,
    AsyncCyclesClient,
    BudgetExceededError,
    CommitRequest,
    CyclesClient,
    CyclesConfig,
    CyclesConfigError,
    CyclesTransportError,
    CyclesValidationError,
    DecisionRequest,
    EventCreateRequest,
    ReservationCreateRequest,
    ReservationCreateResponse,
    ReservationDetail,
    ReservationExtendRequest,
    ReservationListResponse,
    Subject,
    cycles,
    get_cycles_context,
    set_default_config,
    usd,
)
from runcycles.testing import TestServer

SUBJECT = Subject(tenant="acme")
ACTION = Action(kind="llm.completion", name="test-model")
RESERVE = ReservationCreateRequest(subject=SUBJECT, action=ACTION, estimate=Amount.tokens(100))


def test_a_reservation_from_beginning_to_end(server: TestServer, transport: Any) -> None:
    with server.client(transport=transport) as client:
        created = client.create_reservation(RESERVE)
        assert created.is_success, created
        reservation = ReservationCreateResponse.model_validate(created.body)
        assert reservation.is_allowed()
        id = reservation.reservation_id or ""
        assert client.extend_reservation(id, ReservationExtendRequest(extend_by_ms=1000)).is_success
        assert client.commit_reservation(id, CommitRequest(actual=Amount.tokens(60))).is_success
        detail = ReservationDetail.model_validate(client.get_reservation(id).body)
        assert detail.is_committed()
        assert detail.committed == Amount.tokens(60)
        listed = ReservationListResponse.model_validate(client.list_reservations(tenant="acme").body)
        assert [row.reservation_id for row in listed.reservations] == [id]
        assert client.get_balances(tenant="acme").body["balances"][0]["remaining"]["amount"] == 940
    assert balance(server) == (940, 0, 60)


async def test_the_async_client_has_the_same_calls(server: TestServer, transport: Any) -> None:
    async with server.async_client(transport=transport) as client:
        created = await client.create_reservation(RESERVE)
        id = created.get_body_attribute("reservation_id")
        assert (await client.extend_reservation(id, {"extend_by_ms": 1000})).is_success
        assert (await client.release_reservation(id)).is_success
        decided = await client.decide(
            DecisionRequest(subject=SUBJECT, action=ACTION, estimate=Amount.tokens(1))
        )
        assert decided.get_body_attribute("decision") == "ALLOW"
        event = EventCreateRequest(subject=SUBJECT, action=ACTION, actual=Amount.tokens(5))
        assert (await client.create_event(event)).status == 201
        assert (await client.list_reservations(tenant="acme", status="RELEASED")).is_success
        assert (await client.get_reservation(id)).is_success
        assert (await client.get_balances(tenant="acme")).is_success
        assert await client.flush() == 0
    assert balance(server) == (995, 0, 5)


def test_both_clients_have_the_same_methods() -> None:
    def public(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    assert public(CyclesClient) - {"close", "as_async"} == public(AsyncCyclesClient) - {"aclose", "as_sync"}


def test_refusals_are_answers(server: TestServer, transport: Any) -> None:
    client = server.client(transport=transport)
    response = client.create_reservation(
        {**RESERVE.to_wire(), "estimate": {"unit": "TOKENS", "amount": 2000}}
    )
    assert (response.status, response.is_client_error) == (409, True)
    error = response.get_error_response()
    assert error is not None
    assert error.error_code.value == "BUDGET_EXCEEDED"
    assert error.request_id
    assert error.request_id == response.request_id
    assert error.trace_id
    assert error.trace_id == response.trace_id
    assert response.error_message == error.message


def test_headers_of_an_answer(server: TestServer) -> None:
    response = server.client().get_balances(tenant="acme")
    assert response.request_id
    assert response.trace_id
    assert response.retry_after_ms_header is None
    assert response.header("Content-Type") == response.headers["content-type"]


def test_a_refused_connection_is_a_response(server: TestServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = CyclesClient(CyclesConfig(f"http://127.0.0.1:{unused.getsockname()[1]}", "cyc_test_acme"))
        response = client.get_balances(tenant="acme")
    assert response.is_transport_error
    assert response.status == -1
    assert response.body is None
    assert "cannot be reached" in (response.error_message or "")


def test_an_answer_that_is_not_json_does_not_raise() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        client = CyclesClient(CyclesConfig(f"http://127.0.0.1:{listener.getsockname()[1]}", "k"))
        response = client.get_balances(tenant="acme")
        thread.join()
    assert (response.status, response.is_server_error, response.body) == (502, True, None)
    assert "not JSON" in (response.error_message or "")


@pytest.mark.parametrize("seconds", ["5", None, float("nan"), -1, True])
def test_timeouts_are_seconds(seconds: Any) -> None:
    with pytest.raises(CyclesConfigError, match="read_timeout"):
        CyclesClient(CyclesConfig("http://localhost", "k", read_timeout=seconds))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CyclesConfig("", "k"), "base_url"),
        (CyclesConfig("http://localhost", ""), "api_key"),
        (CyclesConfig("localhost:7878", "k"), "http://"),
        (CyclesConfig("http://localhost", "k", tenant="a b"), "tenant"),
        (CyclesConfig("http://localhost", "k", retry_multiplier=0.5), "retry_multiplier"),
        (CyclesConfig("http://localhost", "k", retry_max_attempts="x"), "retry_max_attempts|string"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_configuration_names_the_setting(config: CyclesConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CyclesClient(config)


def test_configuration_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_BASE_URL", "http://localhost:7878")
    monkeypatch.setenv("MINE_API_KEY", "cyc_live_secret")
    monkeypatch.setenv("MINE_AGENT", "bot")
    monkeypatch.setenv("MINE_CONNECT_TIMEOUT", "1.5")
    monkeypatch.setenv("MINE_READ_TIMEOUT_MS", "2500")
    monkeypatch.setenv("MINE_RETRY_ENABLED", "0")
    config = CyclesConfig.from_env("MINE_")
    assert config == CyclesConfig(
        "http://localhost:7878",
        "cyc_live_secret",
        agent="bot",
        connect_timeout=1.5,
        read_timeout=2.5,
        retry_enabled=False,
    )
    assert "secret" not in repr(config)


def test_defaults_are_those_that_users_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLES_BASE_URL", "http://localhost")
    monkeypatch.setenv("CYCLES_API_KEY", "k")
    for name in ("CONNECT_TIMEOUT", "READ_TIMEOUT", "RETRY_ENABLED", "TENANT", "AGENT"):
        monkeypatch.delenv(f"CYCLES_{name}", raising=False)
    config = CyclesConfig.from_env()
    assert config == CyclesConfig("http://localhost", "k")
    assert (config.connect_timeout, config.read_timeout) == (2.0, 5.0)
    assert (config.retry_enabled, config.retry_max_attempts, config.retry_multiplier) == (True, 5, 2.0)
    assert (config.retry_initial_delay, config.retry_max_delay) == (0.5, 30.0)


@pytest.mark.parametrize(
    ("name", "value"), [("READ_TIMEOUT", "5s"), ("RETRY_MAX_ATTEMPTS", "abc"), ("RETRY_ENABLED", "maybe")]
)
def test_an_unreadable_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("MINE_BASE_URL", "http://localhost")
    monkeypatch.setenv("MINE_API_KEY", "k")
    monkeypatch.setenv(f"MINE_{name}", value)
    with pytest.raises(CyclesConfigError, match=f"MINE_{name}.*{value}"):
        CyclesConfig.from_env("MINE_")


def test_a_default_config_makes_the_default_client(server: TestServer, tmp_path: Path) -> None:
    set_default_config(CyclesConfig(server.base_url, server.api_key(), tenant="acme", journal_dir=tmp_path))
    cycles(10, unit="TOKENS")(lambda: None)()
    assert balance(server) == (990, 0, 10)
    assert list(tmp_path.iterdir()), "the spend was journalled before it was committed"


def test_balances_need_a_filter(server: TestServer) -> None:
    with pytest.raises(ValueError, match="at least one of tenant"):
        server.client().get_balances(include_children=True)


def test_a_request_that_is_not_json_is_refused(server: TestServer) -> None:
    with pytest.raises(CyclesValidationError, match="not a JSON document"):
        server.client().decide({"subject": object()})


def test_models_may_stand_in_dicts(server: TestServer) -> None:
    body = {"subject": SUBJECT, "action": ACTION, "estimate": Amount.tokens(1)}
    assert server.client().decide(body).is_success


def test_a_closed_client_says_so(server: TestServer) -> None:
    client = server.client()
    client.close()
    client.close()
    with pytest.raises(CyclesValidationError, match="closed"):
        client.get_balances(tenant="acme")


def _budgets(amount: Any) -> dict[str, Any]:
    """Budgets as a caller without a type checker may write them."""
    return {"tenant:acme": amount}


def test_embedded_takes_a_seed_or_budgets() -> None:
    yaml = """
        tenants: [{tenant_id: acme}]
        keys: [{name: k, secret: s, tenant_id: acme}]
        budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 5}]
    """
    for client in (
        CyclesClient.embedded(SEED),
        CyclesClient.embedded(yaml, tenant="acme"),
        CyclesClient.embedded(
            budgets={"tenant:acme": Amount.tokens(5), "tenant:acme/agent:bot": usd("1.00")}
        ),
        CyclesClient.embedded({"budgets": {"tenant:acme": [Amount.tokens(5), "$1.00"]}}),
    ):
        assert client.get_balances(tenant="acme").is_success
    with pytest.raises(CyclesValidationError, match="either"):
        CyclesClient.embedded()
    with pytest.raises(CyclesValidationError, match="JSON and amounts"):
        CyclesClient.embedded(budgets=_budgets(object()))
    with pytest.raises(CyclesConfigError, match=r"tenant:acme.*agent:bot"):
        CyclesClient.embedded(budgets={"agent:bot": Amount.tokens(5)})
    with pytest.raises(CyclesConfigError, match=r"\$5\.00.*tenant:acme"):
        CyclesClient.embedded(budgets=_budgets(5))
    with pytest.raises(CyclesConfigError, match="no budgets"):
        CyclesClient.embedded(budgets={})
    with pytest.raises(CyclesConfigError, match="seed is not valid"):
        CyclesClient.embedded("tenants: [{")


def test_a_test_server_names_what_it_lacks(server: TestServer) -> None:
    with pytest.raises(CyclesConfigError, match="no such key"):
        server.client("nobody")
    with pytest.raises(CyclesConfigError, match="http or local"):
        server.client(transport="carrier pigeon")
    with pytest.raises(CyclesValidationError, match="not an operation"):
        server.count("fly")
    with pytest.raises(TimeoutError, match="operation=commit expected=1 seen=0"):
        server.wait_for("commit", 1, timeout_ms=1)
    assert server.admin_key


def test_one_budget_for_both_transports(server: TestServer) -> None:
    guarded = [
        cycles(400, unit="TOKENS", tenant="acme", client=server.client(transport=t))
        for t in ("http", "local")
    ]
    for guard in guarded:
        guard(lambda: None)()
    with pytest.raises(BudgetExceededError):
        guarded[0](lambda: None)()
    assert server.count("commit") == 2


OUTAGE = {
    "CYCLES_SETTLEMENT": "background",
    "CYCLES_CALL_TIMEOUT_MS": "1500",
    "CYCLES_CIRCUIT_BREAKER_FAILURES": "3",
    "CYCLES_ON_UNREACHABLE": "allow_up_to:50:TOKENS",
    "CYCLES_HEARTBEAT_POLICY": "cancel",
    "CYCLES_EXTEND_TIMEOUT_MS": "700",
    "CYCLES_NESTED": "inherit",
}


def test_settings_for_outages_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CYCLES_BASE_URL": "http://h", "CYCLES_API_KEY": "k", **OUTAGE}.items():
        monkeypatch.setenv(name, value)
    config = CyclesConfig.from_env()
    assert (config.settlement, config.call_timeout, config.circuit_breaker_failures) == ("background", 1.5, 3)
    assert (config.on_unreachable, config.nested) == ("allow_up_to:50:TOKENS", "inherit")
    assert (config.heartbeat_policy, config.extend_timeout) == ("cancel", 0.7)
    CyclesClient(config).close()
    monkeypatch.setenv("CYCLES_ON_UNREACHABLE", "sometimes")
    with pytest.raises(CyclesConfigError, match="CYCLES_ON_UNREACHABLE"):
        CyclesConfig.from_env()


def test_work_runs_unseen_where_that_is_allowed(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        config = CyclesConfig(
            url,
            "k",
            tenant="acme",
            journal_dir=tmp_path,
            on_unreachable="allow_up_to:50:TOKENS",
            retry_flush_timeout=0.1,
        )
        client = CyclesClient(config)
        seen: list[Any] = []

        @cycles(estimate=40, unit="TOKENS", client=client)
        def work() -> str:
            seen.append(get_cycles_context())
            return "done"

        assert work() == "done"
        assert seen[0].is_unseen
        assert seen[0].settlement.outcome == "queued"
        with pytest.raises(CyclesTransportError, match="cannot be reached"):
            work()
        assert len(seen) == 1
        client.close()


def test_the_key_of_a_running_client_can_be_replaced() -> None:
    with TestServer(SEED) as server:
        client = server.client(None, "http")
        client.set_api_key("cyc_test_nobody")
        assert client.create_reservation(RESERVE).status == 401
        client.set_api_key(server.api_key())
        assert client.create_reservation(RESERVE).is_success
        for wrong in ("", "two\nlines"):
            with pytest.raises(CyclesConfigError, match="api_key"):
                client.set_api_key(wrong)
        assert client.create_reservation(RESERVE).is_success, "the former key stays"


def test_reprs_say_what_it_is_and_no_secret(server: TestServer) -> None:
    config = CyclesConfig("http://localhost:1", "cyc_secret", tenant="acme", journal_enabled=False)
    with CyclesClient(config) as client:
        assert repr(client) == "<CyclesClient http://localhost:1 tenant=acme>"
        assert repr(client.as_async()).startswith("<AsyncCyclesClient http://localhost:1")
    assert "cyc_secret" not in repr(config)
    local = server.client()
    with local.reserve(5, unit="TOKENS", tenant="acme") as held:
        assert f"{held.reservation_id} estimate=5" in repr(held)
    assert "settled=committed" in repr(held)
    assert repr(held.settlement) == "Settlement('committed')"
    with pytest.raises(CyclesConfigError) as caught:
        CyclesClient(CyclesConfig("", "k"))
    assert repr(caught.value).startswith("CyclesConfigError(")
    assert server.base_url in repr(server)
