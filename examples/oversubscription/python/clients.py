"""Clients that draw from one budget until it refuses them (`../README.md`)."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runcycles import CyclesClient, CyclesConfig, CyclesResponse


def body(response: CyclesResponse) -> dict[str, Any]:
    """The answer, which must be a success."""
    assert response.is_success, response
    assert response.body is not None, response
    return response.body


def draw(number: int) -> tuple[int, int, int]:
    """Draws until refused; answers what was charged, left open and refused."""
    charged, left_open, call = 0, 0, 0
    with CyclesClient(CyclesConfig.from_env()) as client:
        while True:
            amount = 1 + (number * 7 + call * 13) % 97
            answer = client.create_reservation(
                {
                    "subject": {"tenant": "acme"},
                    "action": {"kind": "test", "name": "oversubscription"},
                    "estimate": {"unit": "TOKENS", "amount": amount},
                }
            )
            if answer.status == 409:
                return charged, left_open, 1
            reservation = body(answer)["reservation_id"]
            if call % 5 == 0:
                left_open += amount
            elif call % 5 == 1:
                body(client.release_reservation(reservation))
            else:
                actual = {"unit": "TOKENS", "amount": amount - amount % 3}
                committed = body(client.commit_reservation(reservation, {"actual": actual}))
                charged += committed["charged"]["amount"]
            call += 1


def main() -> None:
    """Runs all clients at once and adds up what they were told."""
    clients = int(os.environ["CLIENTS"])
    print("ready", flush=True)
    input()
    with ThreadPoolExecutor(clients) as pool:
        told = list(pool.map(draw, range(clients)))
    charged, left_open, refused = (sum(column) for column in zip(*told, strict=True))
    print(json.dumps({"language": "python", "charged": charged, "open": left_open, "refused": refused}))


if __name__ == "__main__":
    main()
