"""What @cycles does with a function: methods, generators, caps and callables."""

from collections.abc import Iterator

from runcycles import BudgetExceededError, CyclesClient, cycles, get_cycles_context, usd

client = CyclesClient.embedded(budgets={"tenant:acme": usd("1.00")})


class Agent:
    def __init__(self, name: str) -> None:
        self.name = name

    @cycles(
        estimate=lambda self, prompt: 2_000_000 * len(prompt.split()),  # microcents
        actual=lambda reply: 1_500_000 * len(reply.split()),
        agent=lambda self, prompt: self.name,
        action_kind="llm.completion",
        action_name="gpt-4o",
        client=client,
    )
    def ask(self, prompt: str) -> str:
        context = get_cycles_context()
        print("held", context.reserved, "for", context.scope_path)
        return f"an answer to {prompt}"

    @cycles(usd("0.10"), actual=lambda words: 1_000_000 * len(words), client=client)
    def stream(self, prompt: str) -> Iterator[str]:
        yield from f"a long answer to {prompt}".split()


agent = Agent("researcher")
print(agent.ask("what is a budget"))
for word in agent.stream("why"):
    if word == "answer":
        break  # the generator is closed: the three words it yielded are committed

with client.reserve(usd("0.50"), action_name="batch") as held:
    held.actual = usd("0.25")

try:
    with client.reserve(usd("0.90")):
        print("never printed")
except BudgetExceededError as error:
    print("denied:", error)
spent = client.get_balances(tenant="acme").body["balances"][0]["spent"]["amount"]
print("spent", spent, "microcents")
client.close()
