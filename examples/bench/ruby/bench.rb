# What a guarded call costs in Ruby. See `cargo xtask bench`.
require "json"
require "runcycles/testing"

SEED = { "tenant:acme" => Cycles.tokens(1_000_000_000) }.freeze
RUNS = Integer(ENV.fetch("BENCH_RUNS", 5))
CALLS = Integer(ENV.fetch("BENCH_CALLS", 1000))

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

# p50 and p99 of each run; the first run only warms up.
def measure(client)
  estimate = Cycles.tokens(10)
  runs = Array.new(RUNS + 1) do
    times = Array.new(CALLS) do
      start = now
      client.with(estimate: estimate, actual: 10) { nil }
      (now - start) / 1e3
    end.sort
    { p50_us: times[CALLS / 2], p99_us: times[CALLS * 99 / 100] }
  end
  runs.drop(1)
end

embedded = measure(Cycles::Client.embedded(budgets: SEED))
Cycles::Testing::Server.start(budgets: SEED) do |server|
  address = { base_url: server.base_url, api_key: server.api_key }
  client = Cycles::Client.new(**address, tenant: "acme", journal_enabled: false)
  puts({ language: "ruby", embedded: embedded, http: measure(client) }.to_json)
end
