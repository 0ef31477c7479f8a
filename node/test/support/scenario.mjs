// Runs one file of tests/scenarios: the same steps in every language.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CyclesError, CyclesValidationError, getCyclesContext, reserveForStream, withCycles } from 'runcycles';
import { ManualClock, TestServer } from 'runcycles/testing';
import { parse } from 'yaml';

const TESTS = fileURLToPath(new URL('../../../tests/', import.meta.url));

const METHODS = {
  create_reservation: (client, call) => client.createReservation(call.body),
  commit: (client, call) => client.commitReservation(call.reservation_id, call.body),
  release: (client, call) => client.releaseReservation(call.reservation_id, call.body),
  extend: (client, call) => client.extendReservation(call.reservation_id, call.body),
  decide: (client, call) => client.decide(call.body),
  create_event: (client, call) => client.createEvent(call.body),
  get_balances: (client, call) => client.getBalances(call.query ?? {}),
  list_reservations: (client, call) => client.listReservations(call.query ?? {}),
  get_reservation: (client, call) => client.getReservation(call.reservation_id),
};

const BUDGET_FIELDS = {
  allocated: 'allocated',
  remaining: 'remaining',
  reserved: 'reserved',
  spent: 'spent',
  debt: 'debt',
  overdraft_limit: 'overdraftLimit',
  is_over_limit: 'isOverLimit',
  status: 'status',
};

export function loadScenarios() {
  const directory = join(TESTS, 'scenarios');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => {
      const scenario = parse(readFileSync(join(directory, name), 'utf8'), { intAsBigInt: true });
      onlyKeys(scenario, ['id', 'title', 'seed', 'steps'], name);
      assert.equal(scenario.id, basename(name, '.yaml'), 'a scenario is named after its file');
      return scenario;
    });
}

/** Scenario id → reason, for the exceptions of `language`. Refuses lines it does not understand. */
export function loadExceptions(language, ids) {
  const entries = [];
  for (const line of readFileSync(join(TESTS, 'parity.toml'), 'utf8').split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    if (text === '[[exception]]') {
      entries.push({});
      continue;
    }
    const [, key, value] = /^(scenario|language|reason)\s*=\s*"([^"]*)"$/.exec(text) ?? [];
    assert.ok(key && entries.length, `parity.toml: unexpected line ${text}`);
    entries.at(-1)[key] = value;
  }
  for (const entry of entries) {
    assert.deepEqual(Object.keys(entry).sort(), ['language', 'reason', 'scenario'], 'parity.toml: incomplete exception');
    assert.ok(ids.includes(entry.scenario), `parity.toml: unknown scenario ${entry.scenario}`);
  }
  return new Map(entries.filter((entry) => entry.language === language).map((entry) => [entry.scenario, entry.reason]));
}

export async function runScenario(scenario, transport) {
  const clock = new ManualClock();
  const server = new TestServer(scenario.seed, clock);
  const run = new Run(server, clock, transport);
  try {
    await run.steps(scenario.steps, 'steps');
    assert.deepEqual(server.pendingFaults(), [], 'faults have not fired');
  } finally {
    await run.close();
    await server.shutdown();
  }
}

class Run {
  #server;
  #clock;
  #transport;
  #clients = new Map();
  #saved = new Map();

  constructor(server, clock, transport) {
    this.#server = server;
    this.#clock = clock;
    this.#transport = transport;
  }

  async steps(steps, path) {
    for (const [index, step] of steps.entries()) await this.#step(this.#substitute(step), `${path}[${index}]`);
  }

  async close() {
    for (const client of this.#clients.values()) await client.close();
  }

  async #step(step, path) {
    const [kind, ...rest] = Object.keys(step);
    const allowed = { guard: ['expect'], stream: ['expect'], call: ['expect', 'save'], advance_ms: [], wait_for: [], fault: [], wait_for_faults: [], budgets: [] }[kind];
    assert.ok(allowed, `${path}: unknown step ${kind}`);
    for (const key of rest) assert.ok(allowed.includes(key), `${path}: unknown key ${key} beside ${kind}`);
    switch (kind) {
      case 'guard':
        return this.#guard(step.guard, step.expect ?? {}, path);
      case 'stream':
        return this.#stream(step.stream, step.expect ?? {}, path);
      case 'call':
        return this.#call(step.call, step.expect ?? {}, step.save ?? {}, path);
      case 'advance_ms':
        return this.#clock.advance(Number(step.advance_ms));
      case 'wait_for':
        onlyKeys(step.wait_for, ['operation', 'count'], path);
        return this.#server.waitFor(step.wait_for.operation, Number(step.wait_for.count));
      case 'fault': {
        const { operation, kind, ...options } = step.fault;
        return this.#server.inject(operation, kind, options);
      }
      case 'wait_for_faults':
        return this.#server.waitForFaults(step.wait_for_faults);
      default:
        return this.#budgets(step.budgets, path);
    }
  }

  async #guard(guard, expect, path) {
    onlyKeys(guard, ['key', 'request', 'actual', 'raises', 'during'], path);
    onlyKeys(expect, ['ran', 'error', 'raised', 'decision'], path);
    const thrown = guard.raises === undefined ? undefined : new Error(guard.raises);
    const seen = { ran: false, error: undefined, raised: undefined, decision: undefined };
    // An assertion that fails inside the function must fail the scenario, not look like its own error.
    let failure;

    const guarded = withCycles(this.#options(guard, path), async () => {
      seen.ran = true;
      seen.decision = getCyclesContext().decision;
      try {
        await this.steps(guard.during ?? [], `${path}.during`);
      } catch (error) {
        failure = error;
      }
      if (thrown) throw thrown;
      return 'result';
    });
    try {
      const result = await guarded();
      if (seen.ran) assert.equal(result, 'result', `${path}: the caller gets its result`);
      else seen.decision = result.decision;
    } catch (error) {
      if (error === thrown) seen.raised = thrown.message;
      else if (error instanceof CyclesValidationError) seen.error = 'VALIDATION';
      else if (error instanceof CyclesError) seen.error = error.code;
      else throw error;
    }
    if (failure) throw failure;

    assert.equal(seen.ran, expect.ran ?? true, `${path}: ran`);
    assert.equal(seen.error, expect.error, `${path}: error`);
    assert.equal(seen.raised, expect.raised, `${path}: raised`);
    if ('decision' in expect) assert.equal(seen.decision, expect.decision, `${path}: decision`);
  }

  async #stream(step, expect, path) {
    onlyKeys(step, ['key', 'request', 'on_limit', 'extend_by', 'pieces', 'actual', 'raises', 'during'], path);
    onlyKeys(expect, ['pieces', 'cut', 'refused', 'error', 'raised'], path);
    const pieces = step.pieces ?? [];
    const seen = { pieces: 0, cut: false, refused: undefined, error: undefined, raised: step.raises };
    const { actual: _, ...options } = this.#options(step, path);
    try {
      const stream = await reserveForStream({ ...options, onLimit: step.on_limit, extendBy: step.extend_by });
      for (const tokens of pieces) {
        if (!(await stream.proceed())) break;
        stream.usage.addOutputTokens(Number(tokens));
        seen.pieces += 1;
      }
      await stream.run(() => this.steps(step.during ?? [], `${path}.during`));
      if (step.actual !== undefined) stream.usage.setActualCost(step.actual);
      seen.cut = stream.isCut;
      seen.refused = stream.limitError?.code;
      await (step.raises === undefined ? stream.commit() : stream.release(step.raises));
    } catch (error) {
      if (!(error instanceof CyclesError)) throw error;
      seen.error = error.code;
    }
    const all = seen.error === undefined ? pieces.length : 0;
    for (const [name, usual] of Object.entries({ pieces: all, cut: false, refused: undefined, error: undefined, raised: undefined })) {
      assert.equal(exact(seen[name]), exact(expect[name] ?? usual), `${path}: ${name}`);
    }
  }

  #options(guard, path) {
    const { request } = guard;
    onlyKeys(
      request,
      ['subject', 'action', 'estimate', 'ttl_ms', 'grace_period_ms', 'overage_policy', 'dry_run', 'metadata', 'idempotency_key', 'nested'],
      path,
    );
    onlyKeys(request.action ?? {}, ['kind', 'name', 'tags'], path);
    onlyKeys(request.estimate, ['unit', 'amount'], path);
    return {
      ...request.subject,
      client: this.#client(guard.key),
      estimate: request.estimate.amount,
      unit: request.estimate.unit,
      actual: guard.actual,
      actionKind: request.action?.kind,
      actionName: request.action?.name,
      actionTags: request.action?.tags,
      ttlMs: request.ttl_ms,
      gracePeriodMs: request.grace_period_ms,
      overagePolicy: request.overage_policy,
      dryRun: request.dry_run,
      metadata: request.metadata,
      idempotencyKey: request.idempotency_key,
      nested: request.nested,
    };
  }

  async #call(call, expect, save, path) {
    onlyKeys(call, ['key', 'operation', 'reservation_id', 'query', 'body'], path);
    onlyKeys(expect, ['status', 'body'], path);
    const method = METHODS[call.operation];
    assert.ok(method, `${path}: unknown operation ${call.operation}`);
    const response = await method(this.#client(call.key), call);
    const answer = `${path}: ${call.operation} answered ${response.status} ${show(response.body ?? response.errorMessage)}`;
    if ('status' in expect) assert.equal(response.status, Number(expect.status), answer);
    if ('body' in expect) assertSubset(response.body, expect.body, answer);
    for (const [name, dotted] of Object.entries(save)) {
      const value = dotted.split('.').reduce((document, member) => document?.[member], response.body);
      assert.notEqual(value, undefined, `${answer}: nothing to save at ${dotted}`);
      this.#saved.set(`$${name}`, value);
    }
  }

  #budgets(budgets, path) {
    for (const { scope, unit, ...fields } of budgets) {
      const state = this.#server.budget(scope, unit);
      for (const [field, expected] of Object.entries(fields)) {
        assert.ok(field in BUDGET_FIELDS, `${path}: unknown budget field ${field}`);
        assertSubset(state[BUDGET_FIELDS[field]], expected, `${path}: ${scope} ${unit} ${field}`);
      }
    }
  }

  #client(key) {
    if (!this.#clients.has(key)) this.#clients.set(key, this.#server.client({ key, transport: this.#transport }));
    return this.#clients.get(key);
  }

  #substitute(value) {
    if (typeof value === 'string' && value.startsWith('$')) {
      // `during` is substituted again when it runs, with what was saved by then.
      return this.#saved.has(value) ? this.#saved.get(value) : value;
    }
    if (Array.isArray(value)) return value.map((item) => this.#substitute(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#substitute(item)]));
  }
}

function onlyKeys(object, allowed, path) {
  for (const key of Object.keys(object)) assert.ok(allowed.includes(key), `${path}: unknown key ${key}`);
}

/** Objects are compared member by member, lists must have equal length, integers are compared exactly. */
function assertSubset(actual, expected, message) {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual) && actual.length === expected.length, `${message}: expected ${show(expected)}`);
    expected.forEach((item, index) => assertSubset(actual[index], item, `${message}[${index}]`));
  } else if (expected !== null && typeof expected === 'object') {
    assert.ok(actual !== null && typeof actual === 'object', `${message}: expected ${show(expected)}`);
    for (const [key, item] of Object.entries(expected)) assertSubset(actual[key], item, `${message}.${key}`);
  } else {
    assert.equal(exact(actual), exact(expected), message);
  }
}

function exact(value) {
  return Number.isSafeInteger(value) ? BigInt(value) : value;
}

function show(value) {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item));
}
