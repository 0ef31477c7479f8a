"""A hundred guarded coroutines at once, on the program's own event loop."""

import asyncio

from runcycles import AsyncCyclesClient, BudgetExceededError, cycles, usd

client = AsyncCyclesClient.embedded(budgets={"tenant:acme": usd("1.00")})


@cycles(estimate=usd("0.02"), actual=usd("0.02"), action_name="search", client=client)
async def search(query: int) -> str:
    await asyncio.sleep(0.01)  # your tool or model
    return f"result {query}"


async def main() -> None:
    results = await asyncio.gather(*(search(query) for query in range(100)), return_exceptions=True)
    found = sum(isinstance(result, str) for result in results)
    denied = sum(isinstance(result, BudgetExceededError) for result in results)
    await client.aclose()
    print(f"{found} ran, {denied} were denied")


asyncio.run(main())
