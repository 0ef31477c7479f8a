"""Tests of budgeted code: no mocks, no server to start. Run them with `pytest`."""

import pytest
from runcycles import BudgetExceededError, cycles, usd
from runcycles.testing import assert_denied, assert_spent


@cycles(estimate=usd("0.40"), actual=usd("0.25"))
def ask(prompt: str) -> str:
    return f"an answer to {prompt}"


def run_agent(questions: list[str]) -> list[str]:
    answers = []
    try:
        for question in questions:
            answers.append(ask(question))
    except BudgetExceededError:
        answers.append("out of budget")
    return answers


def test_the_agent_stops_when_the_dollar_is_spent(cycles_server, cycles_client):
    assert run_agent(["a", "b", "c", "d"])[-1] == "out of budget"
    assert_spent(cycles_server, usd("0.75"))


@pytest.mark.cycles(budgets={"tenant:acme": usd("0.10")})
def test_a_small_budget_is_refused_at_once(cycles_client):
    with assert_denied("BUDGET_EXCEEDED"):
        ask("too much")


def test_an_outage_is_not_the_end_of_a_call(cycles_server, cycles_client, cycles_clock):
    cycles_server.inject("commit", "drop_before")  # the connection breaks
    assert ask("a") == "an answer to a"
    cycles_clock.advance(60_000)  # the commit is repeated
    cycles_server.wait_for("commit", 1)
    assert_spent(cycles_server, usd("0.25"))
