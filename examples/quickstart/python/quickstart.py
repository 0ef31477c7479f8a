from runcycles import Amount, BudgetExceededError, CyclesClient, cycles

client = CyclesClient.embedded(budgets={"tenant:acme": Amount.tokens(1000)})


@cycles(600, actual=lambda reply: reply["tokens"], unit="TOKENS", client=client)
def ask(prompt: str) -> dict:
    return {"text": f"an answer to {prompt}", "tokens": 420}  # your model call, and its cost


print(ask("What is a budget?")["text"])
try:
    ask("And another one?")
except BudgetExceededError:
    print("denied before the model was called")
