# frozen_string_literal: true

require_relative "helper"

class StreamTest < Minitest::Test
  include Budgets

  PIECES = Array.new(10) { "a piece of twenty" }.freeze

  def test_a_stream_commits_what_flowed
    stream = nil
    flowed = client.stream(estimate: tokens(100), on_limit: "cut") do |open|
      stream = open
      open.watch(PIECES) { open.add_output_tokens(20) }.to_a
    end
    assert_equal 5, flowed.size
    assert_predicate stream, :cut?
    assert_predicate stream, :settled?
    assert_equal tokens(100), stream.settlement.charged
    assert_budget spent: 100, reserved: 0
  end

  def test_nothing_is_read_ahead
    read = 0
    source = Enumerator.new { |out| loop { out << (read += 1) } }
    client.stream(estimate: tokens(100), on_limit: "cut") do |stream|
      assert_equal [1, 2], stream.watch(source) { stream.add_output_tokens(1) }.first(2)
    end
    assert_equal 2, read
    assert_budget spent: 2
  end

  def test_a_cost_function_prices_the_usage
    client.stream(estimate: tokens(100), on_limit: "cut", cost: ->(usage) { usage.tokens_output * 2 }) do |stream|
      flowed = 0
      while stream.proceed?
        stream.add_output_tokens(20)
        flowed += 1
      end
      assert_equal [3, tokens(120), tokens(100)], [flowed, stream.used, stream.held]
    end
    assert_budget spent: 120
    client.stream(estimate: tokens(50), cost: ->(_) { raise "no idea" }) { |stream| stream.add_output_tokens(7) }
    assert_budget spent: 127, reserved: 0
  end

  def test_a_refused_extension_is_raised_by_proceed_and_ends_what_is_watched
    extending = { estimate: tokens(600), on_limit: "extend", extend_by: 600 }
    client.stream(**extending) do |stream|
      stream.add_output_tokens(600)
      assert_raises(Cycles::BudgetExceededError) { stream.proceed? }
      assert_empty stream.watch(PIECES).to_a
    end
    assert_budget spent: 600, reserved: 0
  end

  def test_a_stream_that_fails_commits_what_flowed
    assert_raises(IOError) do
      client.stream(estimate: tokens(100)) do |stream|
        stream.add_output_tokens(40)
        raise IOError, "the model hung up"
      end
    end
    assert_raises(IOError) { client.stream(estimate: tokens(100)) { raise IOError } }
    assert_budget spent: 40, reserved: 0
  end

  def test_by_hand_and_nested
    stream = client.stream(estimate: tokens(100))
    stream.add_input_tokens(5)
    stream.within { client.with(estimate: tokens(80), nested: "inherit", actual: 30) { nil } }
    assert_equal [stream.reservation_id], stream.reservation_ids
    stream.record { |usage| usage.metadata = { never: Float::INFINITY } }
    stream.actual = 50
    assert_equal 50, stream.usage.actual
    assert_equal %w[committed already_settled], [stream.finish.outcome, stream.abort("late").outcome]
    assert_budget spent: 80, reserved: 0
  end

  def test_bad_options_are_refused
    error = assert_raises(Cycles::ValidationError) { client.stream(estimate: tokens(1), on_limit: "explode") }
    assert_match(/on_limit/, error.message)
  end
end
