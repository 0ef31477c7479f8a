# frozen_string_literal: true

require_relative "helper"

# What the README shows.
class ReadmeTest < Minitest::Test
  def test_faults_and_the_clock
    clock = Cycles::Testing::Clock.new
    Cycles::Testing::Server.start(budgets: { "tenant:acme" => Cycles.tokens(1000) }, clock: clock) do |server|
      client = server.client(tenant: "acme")
      server.inject("commit", "drop_after") # applied, but the agent never hears of it

      answer = client.with(estimate: Cycles.tokens(100), actual: 60) { "an answer" }

      assert_equal "an answer", answer
      clock.advance(0.5) # the first repeat is due within half a second
      server.wait_for("commit", 2) # the lost answer, and the repeat's
      assert_equal 60, server.budget("tenant:acme").spent
      assert_empty server.pending_faults
    end
  end
end
