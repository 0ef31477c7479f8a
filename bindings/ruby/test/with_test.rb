# frozen_string_literal: true

require_relative "helper"

class WithTest < Minitest::Test
  include Budgets

  class Broken < StandardError; end

  def test_a_value_is_answered_and_its_cost_committed
    answer = client.with(estimate: tokens(100), action: { kind: "llm.completion", name: "m" }) do |hold|
      assert_equal "ALLOW", hold.decision
      assert_equal tokens(100), hold.estimate
      assert_equal ["tenant:acme"], hold.affected_scopes
      refute_nil hold.reservation_id
      assert_same hold, Cycles.current
      hold.actual = 60
      "answer"
    end
    assert_equal "answer", answer
    assert_nil Cycles.current
    assert_budget spent: 60, reserved: 0
  end

  def test_a_cost_function_gets_the_result_and_what_the_block_says_wins
    client.with(estimate: tokens(100), actual: ->(reply) { reply[:tokens] }) { { tokens: 30 } }
    assert_budget spent: 30
    client.with(estimate: tokens(100), actual: 99) { |hold| hold.actual = tokens(5) }
    assert_budget spent: 35
  end

  def test_without_a_cost_the_estimate_is_committed_and_a_broken_cost_is_marked
    client.with(estimate: tokens(10)) { nil }
    assert_budget spent: 10
    assert_equal 7, client.with(estimate: tokens(10), actual: ->(_) { raise Broken }) { 7 }
    client.with(estimate: tokens(10)) { |hold| hold.actual = "much" }
    client.with(estimate: tokens(10)) { |hold| hold.metadata = { never: Float::NAN } }
    assert_budget spent: 40
    listed = client.reservations(tenant: "acme", status: "COMMITTED").body["reservations"]
    assert_equal 4, listed.size
    client.with(estimate: tokens(10), actual: 1.2) { nil }
    client.with(estimate: tokens(10), actual: Float::NAN) { nil }
    assert_budget spent: 52
  end

  def test_a_client_that_is_closed_meanwhile_costs_nobody_the_result
    assert_equal 7, (client.with(estimate: tokens(10)) { client.close && 7 })
  end

  def test_a_refusal_is_typed_and_the_block_does_not_run
    error = assert_raises(Cycles::BudgetExceededError) { client.with(estimate: tokens(1001)) { flunk } }
    assert_kind_of Cycles::ProtocolError, error
    assert_equal ["BUDGET_EXCEEDED", 409], [error.code, error.status]
    refute_empty error.request_id
  end

  def test_an_error_gives_the_hold_back_and_comes_out_as_it_is
    broken = Broken.new("model fell over")
    assert_same broken, assert_raises(Broken) { client.with(estimate: tokens(100)) { raise broken } }
    assert_budget remaining: 1000
    assert_raises(Broken) { client.with(estimate: tokens(100)) { |hold| hold.actual = 40; raise Broken } }
    assert_budget spent: 40, reserved: 0
  end

  def test_a_block_that_is_left_early_is_committed
    leave = lambda do
      client.with(estimate: tokens(100)) { |hold| hold.actual = 20; return :left }
    end
    assert_equal :left, leave.call
    assert_equal(:broken, client.with(estimate: tokens(100)) { |hold| hold.actual = 20; break :broken })
    assert_equal(:thrown, catch(:out) { client.with(estimate: tokens(100)) { throw :out, :thrown } })
    assert_budget spent: 140, reserved: 0
  end

  def test_calls_inside_calls_are_nested
    client.with(estimate: tokens(100)) do |outer|
      outer.actual = 0
      client.with(estimate: tokens(30), nested: "inherit") do |inner|
        assert_equal outer.reservation_id, inner.parent_reservation_id
        inner.actual = 30
      end
      error = assert_raises(Cycles::ValidationError) { client.with(estimate: tokens(1), nested: "forbid") { flunk } }
      assert_match(/nested/, error.message)
      Thread.new { outer.within { client.with(estimate: tokens(5), nested: "inherit") { nil } } }.join
    end
    assert_budget spent: 35, reserved: 0
  end

  def test_by_hand
    hold = client.reserve(estimate: tokens(100))
    assert_budget reserved: 100
    settled = hold.commit(60, metrics: { tokens_output: 60 }, metadata: { run: 7 })
    assert_equal ["committed", tokens(60), tokens(40)], [settled.outcome, settled.charged, settled.released]
    assert_equal "already_settled", hold.release.outcome
    assert_same settled, hold.settlement
    assert_equal "released", client.reserve(estimate: tokens(100)).release("changed its mind").outcome
    assert_budget spent: 60, reserved: 0
  end

  def test_an_evaluation_holds_nothing
    assert_equal "ALLOW", client.evaluate(estimate: tokens(1000)).decision
    assert_equal "DENY", client.evaluate(estimate: tokens(1001)).decision
    assert_budget reserved: 0
  end

  def test_bad_input_is_refused_before_anything_is_sent
    {
      "estimate" => { estimate: 600 }, "amount" => { estimate: tokens(-1) }, "fraction" => { estimate: tokens(1.5) },
      "unit" => { estimate: Cycles::Amount.new("EURO", 1) }, "ttl" => { estimate: tokens(1), ttl: "soon" },
      "ttl_ms" => { ttl: 0.001 }, "seconds" => { ttl: -1 }, "overage_policy" => { overage_policy: "SOMETIMES" },
      "colour" => { subject: { colour: "red" } }, "call" => { metadata: { x: Float::NAN } },
      "nested" => { nested: "maybe" }, "action" => { action: "llm" }
    }.each do |field, call|
      call = { estimate: tokens(1), **call }
      error = assert_raises(Cycles::ValidationError, field) { client.with(**call) { flunk } }
      assert_match field, error.message unless field == "fraction"
    end
    assert_raises(ArgumentError) { client.with(estimate: tokens(1)) }
    assert_raises(ArgumentError) { client.with { nil } }
    assert_raises(ArgumentError) { client.with(estimate: tokens(1), colour: "red") { nil } }
    assert_equal 0, server.count("create_reservation")
  end

  def test_dollars_are_exact
    assert_equal Cycles.microcents(2_000_000), Cycles.usd("0.02")
    assert_equal Cycles.microcents(300_000_000), Cycles.usd(3)
    assert_equal "2000000 USD_MICROCENTS", Cycles.usd("0.02").to_s
    [0.02, nil, "2 cents", "", "0\u00002"].each do |dollars|
      assert_raises(Cycles::ValidationError) { Cycles.usd(dollars) }
    end
  end
end
