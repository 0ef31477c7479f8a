# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require "runcycles/testing"

# What the tests share: one server each, and a budget.
module Budgets
  SEED = {
    tenants: [{ tenant_id: "acme" }],
    keys: [{ name: "default", secret: "cyc_test_acme", tenant_id: "acme" }],
    budgets: [{ scope: "tenant:acme", unit: "TOKENS", allocated: 1000 }]
  }.freeze
  ACME = { tenant: "acme" }.freeze

  # Before any thread of the test asks for them.
  def setup
    client
  end

  def server
    @server ||= Cycles::Testing::Server.start(SEED, clock: clock)
  end

  def client
    @client ||= server.client(tenant: "acme")
  end

  # The test's own clock, where it has one.
  def clock
    nil
  end

  def tokens(amount)
    Cycles.tokens(amount)
  end

  def teardown
    @server&.stop
  end

  def assert_budget(spent: nil, remaining: nil, reserved: nil)
    budget = server.budget("tenant:acme")
    { spent: spent, remaining: remaining, reserved: reserved }.compact.each do |field, wanted|
      assert_equal wanted, budget[field], "#{field} of #{budget}"
    end
  end
end

# A scheduler of fibers that does as little as it can: it waits for sleepers and
# for what other threads unblock.
class Turns
  def initialize
    @ready = Thread::Queue.new
    @waiting = 0
  end

  def fiber(&block)
    Fiber.new(blocking: false, &block).tap(&:resume)
  end

  def block(_blocker, timeout = nil)
    raise NotImplementedError, "no timeouts here" if timeout

    @waiting += 1
    Fiber.yield
    @waiting -= 1
    true
  end

  def unblock(_blocker, fiber)
    @ready << fiber
  end

  def kernel_sleep(*)
    block(nil)
  end

  def io_wait(*)
    raise NotImplementedError, "no IO here"
  end

  def close
    @ready.pop.resume while @waiting.positive?
  end
end
