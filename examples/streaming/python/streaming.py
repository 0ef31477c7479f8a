"""A model's answer in pieces: counted as it flows, and more budget is taken when it runs out."""

import asyncio
from collections.abc import AsyncIterator

from runcycles import Action, AsyncCyclesClient, StreamUsage, usd

client = AsyncCyclesClient.embedded(budgets={"tenant:acme": usd("1.00")})


async def answer() -> AsyncIterator[str]:
    for number in range(1, 4):
        await asyncio.sleep(0)  # the provider
        yield f"piece {number}"


def cost(usage: StreamUsage) -> int:
    return usage.tokens_input * 250 + usage.tokens_output * 1_000


async def main() -> None:
    async with client.stream_reservation(
        action=Action(kind="llm.completion", name="gpt-4o"),
        estimate=usd("0.0002"),
        cost_fn=cost,
        on_limit="extend",
    ) as stream:
        stream.usage.add_input_tokens(40)
        async for piece in stream.watch(answer()):
            stream.usage.add_output_tokens(8)
            print(piece)
    print(f"cut: {str(stream.is_cut).lower()}, used {cost(stream.usage)}")
    await client.aclose()


asyncio.run(main())
