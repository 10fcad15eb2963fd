/** The cost of identifying a caller: by key, for more and more callers, and by token, new or known. The real code, in Node.js. */
import { createHash } from 'node:crypto';
import { type Arrival, createIdentity, type Identity } from '../../src/worker/callers/identify.ts';
import { parseCallers } from '../../src/worker/callers/table.ts';
import { platformRuntime } from '../../src/worker/platform.ts';
import { TestIssuer } from '../issuer.ts';
import { startIssuer } from '../local/issuer.ts';
import { interleaved, micro, nsPerCall, printTable, seriesOf } from './measure.ts';

const CALLERS = [1, 10_000];
const KEY_CALLS = 50_000;
const TOKEN_CALLS = 300;
const HTTP: Arrival = { by: 'http' };

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const waitUntil = () => undefined;

export async function benchIdentity(rounds: number) {
  const server = await startIssuer();
  const issuers = { ES256: await TestIssuer.create(server.url), RS256: await TestIssuer.create(server.url, 'RS256') };
  const entries = Object.entries(issuers).map(([alg, issuer]) => issuer.parsed({ name: alg }));
  const identityOf = (count: number) => {
    const keys = Array.from({ length: count }, (_, n) => [`c${n}`, { keySha256: [digest(`key-${n}`)], scopes: [] }]);
    const tokens = entries.map(({ name }) => [
      name,
      { tokens: [{ issuer: name, claims: { sub: 'job-7' } }], scopes: [] },
    ]);
    const json = JSON.stringify(Object.fromEntries([...keys, ...tokens]));
    return createIdentity(parseCallers([{ name: 'CALLERS', json }], entries).callers, platformRuntime);
  };
  const identify = async (identity: Identity, bearer: string) => {
    const identified = await identity.identify(
      HTTP,
      (name) => (name === 'authorization' ? bearer : undefined),
      waitUntil,
    );
    if (!identified.ok) throw new Error(identified.failure.code);
  };

  const subjects: Record<string, () => Promise<number>> = {};
  for (const count of CALLERS) {
    const identity = identityOf(count);
    let n = 0;
    subjects[`key, ${count}`] = () => nsPerCall(() => identify(identity, `Bearer key-${n++ % count}`), KEY_CALLS);
  }
  const few = identityOf(1);
  for (const [alg, issuer] of Object.entries(issuers)) {
    const known = `Bearer ${await issuer.token()}`;
    subjects[`${alg}, first`] = async () => {
      const fresh: string[] = [];
      for (let n = 0; n < TOKEN_CALLS; n++) fresh.push(`Bearer ${await issuer.token({ jti: crypto.randomUUID() })}`);
      return nsPerCall(() => identify(few, fresh.pop() ?? ''), TOKEN_CALLS);
    };
    subjects[`${alg}, again`] = () => nsPerCall(() => identify(few, known), KEY_CALLS / 10);
  }
  const results = Object.entries(await interleaved(subjects, rounds)).map(([name, ns]) => ({ name, ns: seriesOf(ns) }));
  await server.stop();
  const median = (name: string) => micro(results.find((result) => result.name === name)?.ns.median ?? Number.NaN);
  printTable(
    'Who calls',
    ['', 'first call', 'second call'],
    [
      ['a key among 1 caller', median('key, 1'), median('key, 1')],
      ['a key among 10,000 callers', median('key, 10000'), median('key, 10000')],
      ['a token signed with ES256', median('ES256, first'), median('ES256, again')],
      ['a token signed with RS256', median('RS256, first'), median('RS256, again')],
    ],
  );
  return results;
}
