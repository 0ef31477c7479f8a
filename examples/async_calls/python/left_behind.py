"""A program that ends while guarded calls are under way: nothing hangs and no budget stays held."""

import asyncio

from runcycles import cycles, usd
from runcycles.testing import TestServer

server = TestServer(budgets={"tenant:acme": usd("1.00")})
client = server.async_client(config={"tenant": "acme"})


@cycles(estimate=usd("0.01"), client=client)
async def work() -> None:
    await asyncio.sleep(0)


async def main() -> None:
    tasks = [asyncio.ensure_future(work()) for _ in range(50)]
    await asyncio.sleep(0)
    print(f"left {len(tasks)} calls behind")


asyncio.run(main())
