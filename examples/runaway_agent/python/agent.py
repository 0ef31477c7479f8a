"""A runaway agent: it would never stop by itself, so its budget stops it.

    CYCLES_BASE_URL=http://127.0.0.1:7878 CYCLES_API_KEY=cyc_... CYCLES_TENANT=acme python agent.py

Every call reserves one cent before it runs and commits it afterwards. The call
that no longer fits is refused before it starts.
"""

from __future__ import annotations

import json
import time

from runcycles import BudgetExceededError, CyclesClient, CyclesConfig, cycles, set_default_client, usd

PRICE = usd("0.01")


@cycles(
    estimate=PRICE, actual=PRICE, agent="python", action_kind="llm.completion", action_name="pretend-model"
)
def improve(draft: str) -> str:
    """Pretends to ask a model; the real call would stand here."""
    time.sleep(0.15)
    return f"{draft}!"


def main() -> None:
    """Improves the draft until the money is gone."""
    draft, calls, spent, denials = "a draft", 0, 0, 0
    with CyclesClient(CyclesConfig.from_env()) as client:
        set_default_client(client)
        while not denials:
            try:
                draft = improve(draft)
            except BudgetExceededError:
                denials += 1
            else:
                calls += 1
                spent += PRICE.amount
                print(f"python: call {calls}, ${spent / 100_000_000:.2f} spent", flush=True)
    report = {"language": "python", "calls": calls, "denials": denials, "spent_microcents": spent}
    print(json.dumps(report, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
