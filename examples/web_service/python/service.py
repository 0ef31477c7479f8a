"""A FastAPI service whose every answer costs money, and that says so when a customer's budget is used up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

import httpx
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from runcycles import AsyncCyclesClient, CyclesProtocolError, usd

app = FastAPI()
client = AsyncCyclesClient.embedded(budgets={"tenant:acme": usd("0.10")})


@app.exception_handler(CyclesProtocolError)
async def denied(_request: Request, error: CyclesProtocolError) -> JSONResponse:
    """402 for a budget that is used up, 503 where the authority cannot be asked."""
    status = 503 if error.is_retryable() else 402
    headers = {"Retry-After": str(-(-error.retry_after_ms // 1000))} if error.retry_after_ms else {}
    return JSONResponse({"error": error.code, "message": str(error)}, status, headers)


Customer = Annotated[str, Header(alias="X-Customer")]


@app.post("/ask")
async def ask(prompt: str, customer: Customer) -> dict[str, str]:
    async with client.reserve(usd("0.04"), agent=customer, action_name="gpt-4o") as held:
        answer = f"an answer to {prompt}"  # your model
        held.actual = usd("0.03")
    return {"answer": answer}


@app.post("/stream")
async def stream(prompt: str, customer: Customer) -> StreamingResponse:
    call = client.stream_reservation(
        subject={"tenant": "acme", "agent": customer},
        action={"kind": "llm.completion", "name": "gpt-4o"},
        estimate=usd("0.02"),
        cost_fn=lambda usage: usage.tokens_output * 100_000,
    )
    settled = AsyncExitStack()
    held = await settled.enter_async_context(call)  # a denial is still a status here

    async def pieces() -> AsyncIterator[str]:
        async with settled:
            for word in prompt.split():  # your model
                held.usage.add_output_tokens(1)
                yield word

    return StreamingResponse(pieces(), media_type="text/plain")


async def try_it() -> None:
    transport, headers = httpx.ASGITransport(app), {"X-Customer": "alice"}
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as browser:
        print("stream:", (await browser.post("/stream", params={"prompt": "one two"})).text)
        for _ in range(4):
            answer = await browser.post("/ask", params={"prompt": "why"})
            print(answer.status_code, answer.json().get("error", "ok"))


if __name__ == "__main__":  # `uvicorn service:app` in real life
    asyncio.run(try_it())
