/**
 * The gateway is killed with SIGKILL during its work, again and again, with the same storage. Then the ledger finds the outcomes of
 * the interrupted deletions.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { checkAnswer, checked } from '../answers.ts';
import { removeFolder, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const KILLS = 8;
const IMAGES_PER_LIFE = 24;
const CONCURRENCY = 8;
/**
 * A request ends within three seconds, so the first check comes after more than six. A check is one read that may take as long
 * as an attempt. One that fails after the last planned time is repeated an hour later, so slow machines get the longest
 * possible timeout.
 */
const CHECKS = {
  UPSTREAM_ATTEMPT_TIMEOUT_MS: '3000',
  UPSTREAM_DEADLINE_MS: '3000',
  RESOLVE_UNKNOWN_AFTER_S: '[7, 8, 10]',
};
const RESOLUTION_MS = 60_000;
const TIMEOUT_MS = 360_000;

function listOf(value: unknown, name: string): Readonly<Record<string, unknown>>[] {
  const list = isRecord(value) ? value[name] : undefined;
  if (!Array.isArray(list) || !list.every(isRecord)) throw new Error(`no ${name}: ${JSON.stringify(value)}`);
  return list;
}

it(
  'every deletion that reached Baidu has exactly one row, which ends with the true outcome',
  async () => {
    const persistTo = temporaryFolder('crash');
    const emulator = await startEmulator(0);
    // Each life of the gateway has its own caller, because the rate limit is 60 requests a minute for each caller.
    const keys = Array.from({ length: KILLS + 1 }, createKey);
    const callers = keys.map(({ keySha256 }, life) => [
      `life-${life}`,
      { keySha256: [keySha256], scopes: ['images:delete'] },
    ]);
    const auditor = createKey();
    const options = {
      port: 0,
      persistTo,
      vars: {
        ...varsFor(emulator),
        ...CHECKS,
        CALLERS: JSON.stringify({
          ...Object.fromEntries(callers),
          auditor: { keySha256: [auditor.keySha256], scopes: ['deletions:read'] },
        }),
      },
    };
    const direct = (order: string, body: unknown) =>
      fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
    const answers = new Map<string, string>();

    for (let life = 0; life < KILLS; life++) {
      const ids = Array.from({ length: IMAGES_PER_LIFE }, (_, n) => `m-life${life}n${String(n).padStart(3, '0')}`);
      await Promise.all(ids.map((id) => direct('images', { id, name: id })));
      const gateway = await startGateway(options);
      const headers = { Authorization: `Bearer ${keys[life]?.key}` };
      const queue = [...ids];
      const worker = async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
          const url = `${gateway.url}/images/${id}`;
          const response = await fetch(url, { method: 'DELETE', headers }).catch(() => null);
          const text = (await response?.text().catch(() => null)) ?? '';
          const body = parseJson(text);
          if (!response || !isRecord(body)) continue;
          checkAnswer('DELETE', url, response, text);
          answers.set(id, String(body['outcome']));
        }
      };
      const work = Promise.all(Array.from({ length: CONCURRENCY }, worker));
      // Some deletions are slow, so that the kill comes between reserve and settle.
      await direct('deletion-faults', ['slow', 'slow', 'slow']);
      // Every other kill waits for a first answer, so that some deletions end even on a slow machine.
      const answersBefore = answers.size;
      while (life % 2 === 1 && answers.size === answersBefore) await wait(5);
      await wait(20 + Math.random() * 250);
      await gateway.stop('SIGKILL');
      await work;
    }

    const gateway = await startGateway(options);
    const history = async (query: string) => {
      const headers = { Authorization: `Bearer ${auditor.key}` };
      const url = `${gateway.url}/deletions?limit=500${query}`;
      return listOf(await (await checked('GET', url, await fetch(url, { headers }))).json(), 'deletions');
    };
    const giveUpMs = Date.now() + RESOLUTION_MS;
    // As often as the rate limit allows.
    while ((await history('&outcome=unknown')).length > 0 && Date.now() < giveUpMs) await wait(1_500);
    const rows = await history('');
    const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
    await Promise.all([gateway.stop(), emulator.stop()]);
    removeFolder(persistTo);

    const outcomes = new Map(rows.map((row) => [String(row['imageId']), String(row['outcome'])]));
    expect(outcomes.size, 'no image has two rows').toBe(rows.length);
    const standing = new Set(listOf(state, 'images').map(({ id }) => String(id)));
    const deletions = listOf(state, 'calls').filter(({ method }) => method === 'DELETE');
    const reached = new Set(deletions.map(({ path }) => String(path).slice('/v2/image/'.length)));
    for (const id of reached) expect(outcomes.has(id), `${id} reached Baidu and has a row`).toBe(true);
    for (const [id, outcome] of outcomes) {
      expect(['deleted', 'not_deleted'], id).toContain(outcome);
      expect(standing.has(id), `${id} exists, with the row ${outcome}`).toBe(outcome === 'not_deleted');
      if (outcome === 'deleted') expect(reached.has(id), `${id} says deleted and reached Baidu`).toBe(true);
    }
    for (const row of rows) {
      const isResolved = row['resolvedAt'] !== null;
      expect(row['confirmed'], String(row['imageId'])).toBe(row['outcome'] === 'not_deleted' ? null : !isResolved);
    }
    for (const [id, outcome] of answers) {
      if (outcome === 'deleted') expect(outcomes.get(id), `${id} was reported as deleted`).toBe('deleted');
    }
    // Without an interrupted deletion, this test would prove nothing.
    expect(answers.size).toBeGreaterThan(0);
    expect(rows.some((row) => row['settledAt'] === null && row['resolvedAt'] !== null)).toBe(true);
  },
  TIMEOUT_MS,
);
