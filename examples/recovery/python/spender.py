"""A process that spends, for tests that kill it (`../README.md`)."""

import json
import sys
from threading import Event

from runcycles import CyclesClient, CyclesConfig, cycles, get_cycles_context

base_url, api_key, journal_dir, calls = sys.argv[1:]
client = CyclesClient(
    CyclesConfig(
        base_url=base_url,
        api_key=api_key,
        tenant="acme",
        journal_dir=journal_dir,
        on_unreachable="allow",
        read_timeout=60,
    )
)


@cycles(5, unit="TOKENS", action_kind="llm", action_name="m", client=client)
def spend() -> None:
    if calls == "endless":
        context = get_cycles_context()
        assert context is not None
        print(json.dumps({"running": context.reservation_id}), flush=True)
        Event().wait()


for _ in range(1 if calls == "endless" else int(calls)):
    spend()
left = client.flush(60)
journal = client.journal_stats()
assert journal is not None
print(
    json.dumps({"left": left, "journal": {"quarantined": journal.quarantined, "lost": journal.lost}}),
    flush=True,
)
sys.stdin.read()
