# A process that spends, for tests that kill it (`../README.md`).
require "json"
require "runcycles"

base_url, api_key, journal, calls = ARGV
client = Cycles::Client.new(
  base_url: base_url, api_key: api_key, tenant: "acme", journal_dir: journal, on_unreachable: "allow", read_timeout: 60
)
call = { estimate: Cycles.tokens(5), action: { kind: "llm", name: "m" } }
$stdout.sync = true
if calls == "endless"
  client.with(**call) do |hold|
    puts({ running: hold.reservation_id }.to_json)
    sleep
  end
end
Integer(calls).times { client.with(**call) { nil } }
left = client.flush(timeout: 60)
puts({ left: left, journal: client.journal_stats.slice("quarantined", "lost") }.to_json)
$stdin.read
