from runcycles import CyclesClient, CyclesConfig, cycles, usd

client = CyclesClient(CyclesConfig.from_env())


@cycles(usd("0.02"), actual=lambda reply: reply["cost"], client=client)
def ask(prompt: str) -> dict:
    return {"text": f"an answer to {prompt}", "cost": usd("0.01")}  # your model call, and its cost


print(ask("What is a budget?")["text"])
