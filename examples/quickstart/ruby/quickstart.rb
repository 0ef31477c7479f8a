require "runcycles"

Cycles.client = Cycles::Client.embedded(budgets: { "tenant:acme" => Cycles.tokens(1000) })

def ask(prompt)
  Cycles.with(estimate: Cycles.tokens(600), action: { kind: "llm.completion", name: "gpt-4o" }) do |hold|
    hold.actual = 420 # what your model call says it cost
    "an answer to #{prompt}"
  end
end

puts ask("What is a budget?")
begin
  ask("And another one?")
rescue Cycles::BudgetExceededError
  puts "denied before the model was called"
end
