# A runaway agent: it would never stop by itself, so its budget stops it.
#
#   CYCLES_BASE_URL=http://127.0.0.1:7878 CYCLES_API_KEY=cyc_... CYCLES_TENANT=acme ruby agent.rb
#
# Every call reserves one cent before it runs and commits it afterwards. The call
# that no longer fits is refused before it starts.
require "json"
require "runcycles"

PRICE = Cycles.usd("0.01")

# Pretends to ask a model; the real call would stand here.
def improve(draft)
  Cycles.with(
    estimate: PRICE,
    subject: { agent: "ruby" },
    action: { kind: "llm.completion", name: "pretend-model" }
  ) do
    sleep 0.15
    "#{draft}!"
  end
end

draft = "a draft"
calls = 0
begin
  loop do
    draft = improve(draft)
    calls += 1
    puts format("ruby: call %<calls>d, $%<spent>.2f spent", calls: calls, spent: calls / 100.0)
  end
rescue Cycles::BudgetExceededError
  Cycles.client.close
end
puts({ language: "ruby", calls: calls, denials: 1, spent_microcents: calls * PRICE.amount }.to_json)
