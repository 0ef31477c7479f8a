# frozen_string_literal: true

require_relative "helper"
require "open3"
require "timeout"

# What only Ruby has: its threads, fibers, interrupts, garbage collector and forks.
class ProcessTest < Minitest::Test
  include Budgets

  LIB = File.expand_path("../lib", __dir__)
  DELAY = { delay_ms: 60_000 }.freeze

  def clock
    @clock ||= Cycles::Testing::Clock.new
  end

  def test_many_threads_share_one_budget_exactly
    outcomes = Array.new(200) do
      Thread.new do
        client.with(estimate: tokens(10)) { :ran }
      rescue Cycles::BudgetExceededError
        :refused
      end
    end.map(&:value)
    assert_equal({ ran: 100, refused: 100 }, outcomes.tally)
    assert_budget spent: 1000
  end

  def test_other_threads_run_while_one_waits
    server.inject("create_reservation", "delay", **DELAY)
    waiting = Thread.new { client.with(estimate: tokens(10)) { :ran } }
    # This thread goes on: it lets the other one's time pass.
    server.wait_for_faults("create_reservation")
    clock.advance(60)
    assert_equal :ran, waiting.value
  end

  def test_an_interrupted_reserve_holds_nothing
    server.inject("create_reservation", "delay", times: 2, **DELAY)
    assert_raises(Timeout::Error) { Timeout.timeout(0.1) { client.reserve(estimate: tokens(10)) } }
    waiting = Thread.new { client.with(estimate: tokens(10)) { flunk } }
    waiting.report_on_exception = false
    server.wait_for_faults("create_reservation")
    waiting.raise(Interrupt, "ctrl-c")
    assert_raises(Interrupt) { waiting.join }
    clock.advance(60)
    # Either may have been answered, even now, before its caller was gone.
    server.wait_for("release", server.count("create_reservation")) until server.budget("tenant:acme").reserved.zero?
    assert_budget reserved: 0, spent: 0
  end

  def test_an_interrupted_block_is_settled_and_the_interrupt_goes_on
    started = Queue.new
    working = Thread.new { client.with(estimate: tokens(10)) { started << 1; sleep } }
    working.report_on_exception = false
    started.pop
    working.raise(Interrupt, "ctrl-c")
    assert_raises(Interrupt) { working.join }
    assert_budget reserved: 0, spent: 0
    killed = Thread.new { client.with(estimate: tokens(10)) { |hold| hold.actual = 4; started << 1; sleep } }
    started.pop
    killed.kill.join
    assert_budget reserved: 0, spent: 4
    timed = ->(_) { client.with(estimate: tokens(10)) { |hold| hold.actual = 2; sleep } }
    assert_raises(Timeout::Error) { Timeout.timeout(0.05, &timed) }
    assert_budget reserved: 0, spent: 6
  end

  def test_an_interrupt_during_the_commit_does_not_undo_it
    server.inject("commit", "delay", **DELAY)
    working = Thread.new { client.with(estimate: tokens(10)) { |hold| hold.actual = 7 } }
    working.report_on_exception = false
    server.wait_for_faults("commit")
    working.raise(Interrupt, "ctrl-c")
    assert_raises(Interrupt) { working.join }
    clock.advance(60)
    server.wait_for("commit", 1)
    assert_budget reserved: 0, spent: 7
  end

  def test_work_whose_lease_is_lost_is_cancelled_where_the_policy_says_so
    cancelling = server.client(tenant: "acme", heartbeat_policy: "cancel")
    server.inject("extend", "status", status: 409, code: "MAX_EXTENSIONS_EXCEEDED")
    error = assert_raises(Cycles::LeaseLostError) do
      cancelling.with(estimate: tokens(100), ttl: 5) do
        clock.advance(2)
        server.wait_for_faults("extend")
        assert_equal "heartbeat_failure", cancelling.notifications.first.kind
        clock.advance(3)
        sleep
      end
    end
    assert_kind_of Cycles::ReservationExpiredError, error
    assert_equal 0, server.count("commit")
    assert_equal :ran, cancelling.with(estimate: tokens(1)) { :ran }
  end

  def test_a_forgotten_hold_is_given_back
    forgotten = 20
    forgotten.times { client.reserve(estimate: tokens(10)) }
    GC.start
    # The collector may see one or the other on the stack.
    server.wait_for("release", forgotten - 5)
    assert_operator server.budget("tenant:acme").reserved, :<=, 50
  end

  def test_a_fiber_that_waits_lets_others_run
    skip "no scheduler" unless Fiber.respond_to?(:current_scheduler)
    server.inject("create_reservation", "delay", **DELAY)
    order = []
    Thread.new do
      Fiber.set_scheduler(Turns.new)
      Fiber.schedule { client.with(estimate: tokens(10)) { order << :held } }
      Fiber.schedule do
        order << :other
        server.wait_for_faults("create_reservation")
        clock.advance(60)
      end
    end.join
    assert_equal %i[other held], order
  end

  def test_a_forked_child_is_told_and_its_parent_goes_on
    hold = client.reserve(estimate: tokens(100))
    20.times do
      said = in_child do
        uses = [-> { client.with(estimate: tokens(1)) { nil } }, -> { hold.commit }, lambda {
                                                                                       Cycles::Client.embedded(SEED)
                                                                                     }]
        uses.map { |use| refusal(&use) }.join("\n")
      end
      assert_equal 3, said.scan("on_worker_boot").size, said
      assert_match "created_in_pid=#{Process.pid}", said
    end
    client.with(estimate: tokens(10)) { nil }
    assert_equal "committed", hold.commit(50).outcome
    assert_budget spent: 60, reserved: 0
  end

  def test_a_child_that_leaves_a_guarded_block_settles_nothing
    said = nil
    client.with(estimate: tokens(100)) do |hold|
      hold.actual = 30
      said = in_child { "in the child" }
    end
    assert_equal "in the child", said
    assert_budget spent: 30, reserved: 0
  end

  def test_a_client_that_is_made_in_the_child_works
    script = <<~RUBY
      require "runcycles"
      seed = { "tenant:acme" => Cycles.tokens(10) }
      Cycles.usd("0.01") # uses nothing that a fork leaves behind
      2.times.map do
        fork do
          client = Cycles::Client.embedded(budgets: seed)
          client.with(estimate: Cycles.tokens(10)) { puts "worker ran" }
        end
      end.each { |child| Process.wait(child); abort "a worker failed" unless $?.success? }
    RUBY
    assert_equal "worker ran\n" * 2, ruby(script)
  end

  def test_a_child_that_ends_with_its_parents_handles_leaves_them_alone
    script = <<~RUBY
      require "runcycles/testing"
      server = Cycles::Testing::Server.start(budgets: { "tenant:acme" => Cycles.tokens(100) })
      client = server.client(tenant: "acme")
      hold = client.reserve(estimate: Cycles.tokens(10))
      20.times { Process.wait(fork { nil }); abort "a child failed" unless $?.success? }
      hold.commit(7)
      20.times { client.with(estimate: Cycles.tokens(1)) { nil } }
      puts server.budget("tenant:acme").spent
    RUBY
    assert_equal "27\n", ruby(script)
  end

  def test_programs_end_in_good_order
    script = <<~RUBY
      require "runcycles/testing"
      server = Cycles::Testing::Server.start(budgets: { "tenant:acme" => Cycles.tokens(100) })
      client = server.client(tenant: "acme")
      server.inject("commit", "delay", delay_ms: 60_000)
      client.reserve(estimate: Cycles.tokens(10))
      stream = client.stream(estimate: Cycles.tokens(10))
      Thread.new { client.with(estimate: Cycles.tokens(10)) { nil } }
      Thread.new { client.notifications }
      server.wait_for_faults("commit")
      puts "done"
    RUBY
    5.times { assert_equal "done\n", ruby(script) }
  end

  def test_ten_thousand_calls_keep_their_memory
    embedded = Cycles::Client.embedded(budgets: { "tenant:acme" => tokens(1_000_000) })
    call = ->(times) { times.times { embedded.with(estimate: tokens(1)) { nil } } }
    # The authority keeps what has ended for a while, up to a bound of its own.
    call.(2_000)
    before = resident_kb
    call.(10_000)
    grown = resident_kb - before
    assert_operator grown, :<, 64 * 1024, "10,000 calls took #{grown} KB"
  end

  private

  def resident_kb
    GC.start
    skip "no /proc to read memory from" unless File.exist?("/proc/self/status")
    File.read("/proc/self/status")[/VmRSS:\s+(\d+)/, 1].to_i
  end

  def ruby(script)
    # Without the validator of answers, which takes a while to start.
    said, errors, status = Open3.capture3({ "CYCLES_CONTRACT" => "off" }, RbConfig.ruby, "-I", LIB, "-e", script)
    assert_predicate status, :success?, "#{status}\n#{errors}"
    assert_empty errors
    said
  end

  def refusal
    yield
    "not refused"
  rescue Cycles::ForkedError => e
    e.message
  end

  # What the block answers in a child.
  def in_child
    reader, writer = IO.pipe
    child = fork do
      writer.write(yield)
      writer.close
      GC.start
      exit!(true)
    end
    writer.close
    said = reader.read
    Process.wait(child)
    assert_predicate $?, :success?
    said
  end
end
