// The least that a client in JavaScript does for a durable guarded call, as the existing TypeScript client
// is designed: global fetch, a timer for the lease, and a journal file for each spend. Nothing else of it is
// here: no retries, no validation of fields, no logging. So it is a bound from below.
import { pbkdf2Sync, createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TIMEOUT_MS = 7000;
const TTL_MS = 60_000;

export function createBaseline({ baseUrl, apiKey, tenant, journalDir }) {
  const identity = pbkdf2Sync(`tenant\n${tenant}`, `runcycles-commit-journal\n${baseUrl}`, 30_000, 32, 'sha256').toString('hex').slice(0, 16);
  const folder = join(journalDir, identity);
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  async function post(path, body) {
    const response = await fetch(`${baseUrl}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Cycles-API-Key': apiKey, 'X-Idempotency-Key': body.idempotency_key },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${answer.error}`);
    return answer;
  }

  function record(reservationId, body) {
    const file = join(folder, `v2-${createHash('sha256').update(reservationId).digest('hex')}.json`);
    const temporary = `${file}.${process.pid}.tmp`;
    const written = { version: 1, reservation_id: reservationId, base_url: baseUrl, mode: 'commit', commit_body: body, recorded_at_ms: Date.now() };
    writeFileSync(temporary, JSON.stringify(written), { mode: 0o600 });
    renameSync(temporary, file);
    return file;
  }

  return async function guarded(estimate, work) {
    const created = await post('/v1/reservations', {
      idempotency_key: randomUUID(),
      subject: { tenant },
      action: { kind: 'llm.completion', name: 'bench' },
      estimate: { unit: 'TOKENS', amount: estimate },
      ttl_ms: TTL_MS,
      overage_policy: 'ALLOW_IF_AVAILABLE',
    });
    const { reservation_id: id, remaining_ttl_ms: left } = created;
    const beat = setTimeout(() => post(`/v1/reservations/${id}/extend`, { idempotency_key: randomUUID(), extend_by_ms: TTL_MS }), left - 2 * TIMEOUT_MS - 1000);
    let result;
    try {
      result = await work();
    } finally {
      clearTimeout(beat);
    }
    const body = { idempotency_key: randomUUID(), actual: { unit: 'TOKENS', amount: estimate } };
    const file = record(id, body);
    await post(`/v1/reservations/${id}/commit`, body);
    unlinkSync(file);
    return result;
  };
}
