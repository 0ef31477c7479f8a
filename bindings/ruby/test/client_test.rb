# frozen_string_literal: true

require_relative "helper"
require "open3"

class ClientTest < Minitest::Test
  include Budgets

  LIB = File.expand_path("../lib", __dir__)

  def test_the_protocols_operations
    body = { subject: ACME, action: { kind: "k", name: "n" }, estimate: tokens(10) }
    assert_equal "ALLOW", client.decide(body)[:decision]
    reservation = client.create_reservation(body)[:reservation_id]
    assert_equal "ACTIVE", client.reservation(reservation)[:status]
    assert_predicate client.extend_reservation(reservation, { extend_by_ms: 60_000 }), :ok?
    assert_predicate client.commit(reservation, { actual: tokens(7) }), :ok?
    assert_predicate client.release(client.create_reservation(body)[:reservation_id]), :ok?
    assert_equal 201, client.create_event(body.except(:estimate).merge(actual: tokens(3))).status
    assert_equal 2, client.reservations(tenant: "acme").body["reservations"].size
    balance = client.balances(tenant: "acme").body["balances"].first
    assert_equal({ "unit" => "TOKENS", "amount" => 990 }, balance["remaining"])
    assert_budget spent: 10
  end

  def test_a_refusal_is_an_answer_and_so_is_none
    refused = client.reservation("no-such-reservation")
    assert_equal [404, false, "NOT_FOUND"], [refused.status, refused.ok?, refused[:error]]
    refute_empty refused.headers["x-request-id"]
    server.inject("get_balances", "drop_before", times: 1)
    silent = server.client(retry_enabled: false).balances(tenant: "acme")
    assert_equal [-1, nil], [silent.status, silent.body]
    refute_empty silent.error_message
    assert_match(/dance/, client.send_request("dance").error_message)
  end

  def test_settings_are_checked_when_the_client_is_made
    remote = { base_url: "http://localhost:1", api_key: "k" }
    {
      "base_url" => { api_key: "k" }, "api_key" => remote.slice(:base_url), "colour" => { colour: "red", **remote },
      "on_unreachable" => { on_unreachable: "maybe", **remote }, "read_timeout" => { read_timeout: "long", **remote }
    }.each do |field, settings|
      error = assert_raises(Cycles::Error, field) { Cycles::Client.new(**settings) }
      assert_match field, error.message
    end
    assert_raises(Cycles::ConfigError) { Cycles::Client.embedded("budgets: 3") }
    error = assert_raises(Cycles::ConfigError) { Cycles::Client.embedded(budgets: { "acme" => tokens(1) }) }
    assert_match(/tenant:acme.*"acme"/, error.message)
    error = assert_raises(Cycles::ConfigError) { Cycles::Client.embedded(budgets: { "tenant:acme" => 5 }) }
    assert_match(/\$5\.00.*tenant:acme/, error.message)
    error = assert_raises(Cycles::ConfigError) { Cycles::Client.embedded }
    assert_match(/no budgets/, error.message)
    both = { "tenant:acme" => tokens(1) }
    assert_raises(Cycles::ValidationError) { Cycles::Client.embedded("keys: []", budgets: both) }
  end

  def test_a_remote_client_stands_on_a_clock
    clock = Cycles::Testing::Clock.new
    Cycles::Testing::Server.start(SEED, clock: clock) do |server|
      address = { base_url: server.base_url, api_key: server.api_key, tenant: "acme" }
      remote = Cycles::Client.new(**address, clock: clock, journal_enabled: false)
      server.inject("commit", "drop_after")
      remote.with(estimate: tokens(10)) { nil }
      clock.advance(0.5)
      server.wait_for("commit", 2)
    end
  end

  def test_an_embedded_authority
    embedded = Cycles::Client.embedded(budgets: { "tenant:acme" => tokens(100) })
    embedded.with(estimate: tokens(100)) { nil }
    assert_raises(Cycles::BudgetExceededError) { embedded.with(estimate: tokens(1)) { flunk } }
    clock = Cycles::Testing::Clock.new
    timed = Cycles::Client.embedded(SEED, tenant: "acme", clock: clock)
    hold = timed.reserve(estimate: tokens(1), ttl: 5)
    assert_equal clock.now_ms + 5_000, hold.expires_at_ms
  end

  def test_the_environment_sets_up_a_client
    ENV.update("TRY_BASE_URL" => server.base_url, "TRY_API_KEY" => server.api_key, "TRY_TENANT" => "acme",
               "TRY_JOURNAL_ENABLED" => "false")
    Cycles.client = Cycles::Client.from_env("TRY_")
    Cycles.with(estimate: tokens(10)) { nil }
    Cycles.stream(estimate: tokens(10)) { |stream| stream.add_output_tokens(4) }
    assert_budget spent: 14
    ENV["TRY_READ_TIMEOUT"] = "long"
    assert_match(/TRY_READ_TIMEOUT/, assert_raises(Cycles::ConfigError) { Cycles::Client.from_env("TRY_") }.message)
  ensure
    ENV.delete_if { |name, _| name.start_with?("TRY_") }
    Cycles.client = nil
  end

  def test_a_closed_client_says_so
    assert_equal 0, client.flush(timeout: 1)
    [-1, "soon", nil, Float::INFINITY].each do |timeout|
      assert_raises(Cycles::ValidationError) { client.flush(timeout: timeout) }
    end
    2.times { assert_equal 0, client.close(timeout: 1) }
    assert_match(/closed/, assert_raises(Cycles::ConfigError) { client.with(estimate: tokens(1)) { flunk } }.message)
    assert_match(/closed/, client.balances(tenant: "acme").error_message)
  end

  def test_keys_are_replaced_and_the_journal_is_asked
    client.api_key = "cyc_wrong"
    assert_raises(Cycles::ProtocolError) { client.with(estimate: tokens(1)) { flunk } }
    client.api_key = "cyc_test_acme"
    client.with(estimate: tokens(1)) { nil }
    assert_raises(Cycles::ConfigError, Cycles::ValidationError) { client.api_key = nil }
    Dir.mktmpdir do |folder|
      journalled = server.client(tenant: "acme", journal_dir: folder)
      journalled.with(estimate: tokens(1)) { nil }
      assert_kind_of Hash, journalled.journal_stats
    end
  end

  def test_every_kind_of_error_has_its_class
    classes = Cycles::Error::KINDS.map do |kind, type|
      error = Cycles::Error.of("kind" => kind, "message" => "m", "code" => "C", "retry_after_ms" => 1_500)
      assert_instance_of type, error
      assert_equal ["m", "C", 1.5], [error.message, error.code, error.retry_after]
      type
    end
    assert_equal 11, classes.uniq.size
    assert_instance_of Cycles::InternalError, Cycles::Error.of("kind" => "Unheard", "message" => "m")
  end

  def test_a_missing_library_is_named_with_platform_and_path
    environment = { "CYCLES_LIBRARY" => "/nowhere/libcycles.so" }
    script = 'begin; require "runcycles"; rescue LoadError => e; puts e.class, e.message; end'
    said, status = Open3.capture2e(environment, RbConfig.ruby, "-I", LIB, "-e", script)
    assert_predicate status, :success?, said
    assert_match(%r{Cycles::LibraryError.*#{FFI::Platform::NAME}.*path=/nowhere/libcycles.so}m, said)
  end
end
