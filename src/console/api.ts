/**
 * The API as the console reads it.
 *
 * Promises: sends GET to its own origin and nothing else; of a `Link` follows the query alone, and of a redirect nothing. Never:
 * stores the credential, or throws because of what is answered.
 */
import { isRecord, listOf, parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** What a person is told instead. `status` is 0 if no answer came; `problems` are those of the configuration. */
export type Problem = Readonly<{ status: number; title: string; detail: string; problems: readonly string[] }>;
/** `next` is the query of the next page, or `null`. */
export type Page = Readonly<{ text: string; next: string | null }>;

/** An object of the API. What is in it is only ever shown as text. */
export type Item = Readonly<Record<string, unknown>>;
export type Path = '/readyz' | '/metrics' | '/deletions' | `/images/${string}`;
export type Get = (path: Path, query?: string) => Promise<Result<Page, Problem>>;

const TIMEOUT_MS = 60_000;

/** `credential` is a key or token, or `null` if what stands before the gateway proves who calls. */
export function getWith(credential: string | null, fetch: typeof globalThis.fetch): Get {
  const headers: HeadersInit = credential === null ? {} : { Authorization: `Bearer ${credential}` };
  return async (path, query = '') => {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(query === '' ? path : `${path}?${query}`, { headers, redirect: 'manual', signal });
      const text = await response.text();
      if (!response.ok) return failed(problemIn(response.status, text));
      return ok({ text, next: nextQuery(response.headers.get('Link')) });
    } catch {
      return failed(problem(0, 'The gateway does not answer', 'Look at the connection, then load again.'));
    }
  };
}

export function nextQuery(link: string | null): string | null {
  return /^<[^<>?#]*\?([^<>#]+)>; *rel="next"$/.exec(link ?? '')?.[1] ?? null;
}

/** The object in a JSON text, or one without members. */
export function objectIn(text: string): Item {
  const body = parseJson(text);
  return isRecord(body) ? body : {};
}

function problemIn(status: number, text: string): Problem {
  // A redirect leads to a sign-in, which only a navigation can show.
  if (status === 0) return problem(0, 'The sign-in has ended', 'Load this page again to sign in.');
  const { title, detail, problems } = objectIn(text);
  if (typeof title !== 'string') return problem(status, `The answer was ${status}`, 'The gateway did not give it.');
  return problem(status, title, String(detail), listOf(problems).map(String));
}

function problem(status: number, title: string, detail: string, problems: readonly string[] = []): Problem {
  return { status, title, detail, problems };
}
