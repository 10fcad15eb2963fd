/** Helpers for unchecked outside data. */

/** Whether the value is a JSON object, not a list or `null`. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value if it is a list, or else an empty list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isWholeNumber(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}

/** The value of a JSON text, or `undefined` if the text is not JSON. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/**
 * The complete body as text. If it is longer than `maxBytes` or not UTF-8: `null`, and the rest is cancelled.
 * @throws what the stream throws
 */
export async function readText(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string | null> {
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    try {
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      text += decoder.decode(value, { stream: true });
    } catch {
      bytes = Number.POSITIVE_INFINITY;
    }
    if (bytes > maxBytes) {
      reader.cancel().catch(() => undefined);
      return null;
    }
  }
}

/** What `JSON.parse` hides about the text of an object. Positions begin at 1. */
export interface Outline {
  /** The position of each member in the text: `JSON.parse` puts names that are whole numbers first. */
  readonly positions: ReadonlyMap<string, number>;
  /** Members that repeat a name, or contain a duplicate name at any depth: `JSON.parse` keeps only the last. */
  readonly repeated: readonly number[];
}

/** The outline of `json`, which must be valid. */
export function outlineOf(json: string): Outline {
  const positions = new Map<string, number>();
  const repeated: number[] = [];
  const open: (Set<string> | null)[] = [];
  let position = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const names = open.at(-1);
      const name = String(JSON.parse(token.slice(0, -1)));
      if (open.length === 1) positions.set(name, ++position);
      if (names?.has(name) === true) repeated.push(position);
      names?.add(name);
    }
  }
  return { positions, repeated };
}
