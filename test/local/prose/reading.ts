/**
 * What to read in `src`, in an auditor's order: a row for each thing to be convinced of, with its files.
 *
 * Promises: each of the Worker's files is in exactly one row, or it is an error.
 * A line of code is neither blank nor comment. Never counts what Wrangler generates.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { files, ROOT } from './pages.ts';

/** Something to be convinced of. Paths are below `src/worker`; a folder has a slash. */
interface Row {
  readonly about: string;
  readonly paths: readonly string[];
}

/** What decides what is sent to Baidu and what is reported about an image. */
const DECIDES: Row = {
  about: 'Only this call leaves, signed, and no outcome is reported that is not known',
  paths: [
    'baidu/',
    'deletions/deletion.ts',
    'deletions/policy.ts',
    'deletions/upstream.ts',
    'image-id.ts',
    'outcome.ts',
    'result.ts',
  ],
};

/** Together with the first: the path of a `DELETE` with a key. */
const PATH: readonly Row[] = [
  {
    about: 'Who may call, with a key or through a binding',
    paths: [
      'http/gate.ts',
      'http/plain-http.ts',
      'http/transport.ts',
      'callers/identify.ts',
      'callers/key.ts',
      'callers/caller.ts',
      'scope.ts',
      'callers/table.ts',
      'callers/rate-limits.ts',
      'callers/name-pattern.ts',
    ],
  },
  {
    about: 'What is recorded before and after, and how an unknown outcome becomes known',
    paths: ['ledger/', 'ledger-object.ts', 'deletions/ledger-stub.ts', 'deletions/check.ts'],
  },
  {
    about: 'What is read from a request, answered and logged',
    paths: [
      'http/request.ts',
      'http/query.ts',
      'request-id.ts',
      'http/answer.ts',
      'http/outermost.ts',
      'http/version-header.ts',
      'http/audit.ts',
      'http/context.ts',
      'problems/',
      'kept-text.ts',
      'json.ts',
      'origin.ts',
      'log.ts',
      'time.ts',
    ],
  },
  {
    about: 'How it is configured and put together',
    paths: [
      'index.ts',
      'app.ts',
      'create-gateway.ts',
      'deletions/gateway.ts',
      'bindings.ts',
      'config.ts',
      'runtime.ts',
      'platform.ts',
    ],
  },
];

const OTHERS: readonly Row[] = [
  {
    about: 'Who may call, with a token',
    paths: [
      'callers/token.ts',
      'callers/token-rules.ts',
      'callers/issuers.ts',
      'callers/issuer-keys.ts',
      'callers/public-key.ts',
    ],
  },
  {
    about: 'What only reads: preview, history, readiness, metrics, pages',
    paths: [
      'deletions/preview.ts',
      'deletions/probe.ts',
      'deletions/history.ts',
      'deletions/bodies.ts',
      'http/history.ts',
      'http/metrics.ts',
      'pages.ts',
    ],
  },
];

export interface Reading {
  readonly about: string;
  /** Only for a row of files, not for a sum. Paths below `src/worker`. */
  readonly paths?: readonly string[];
  readonly lines: number;
}

/** The rows with their sums, in reading order. @throws Error if a file of the Worker is not in exactly one row */
export function reading(): readonly Reading[] {
  const rows = [DECIDES, ...PATH, ...OTHERS];
  const worker = filesOf('src/worker/');
  for (const path of rows.flatMap(({ paths }) => paths)) {
    if (!worker.some((file) => isWithin(file, path))) throw new Error(`src/worker/${path} does not exist.`);
  }
  for (const file of worker) {
    const holding = rows.filter(({ paths }) => paths.some((path) => isWithin(file, path)));
    if (holding.length !== 1) throw new Error(`src/worker/${file} is in ${holding.length} rows.`);
  }
  const count = ({ paths }: Row) =>
    linesOf(
      'src/worker/',
      worker.filter((file) => paths.some((path) => isWithin(file, path))),
    );
  const of = (folder: string) => linesOf(folder, filesOf(folder));
  const row = (each: Row) => ({ ...each, lines: count(each) });
  const path = [DECIDES, ...PATH].map(row);
  const others = OTHERS.map(row);
  return [
    ...path,
    { about: 'The path of a `DELETE` with a key', lines: sumOf(path) },
    ...others,
    { about: 'The Worker', lines: sumOf([...path, ...others]) },
    { about: 'The OpenAPI document', lines: of('src/openapi/') },
    { about: 'The client', lines: of('src/client/') },
    { about: 'The console', lines: of('src/console/') },
    { about: "The operator's tools", lines: of('src/tools/') },
    { about: 'All of `src`', lines: of('src/') },
  ];
}

/** The lines of the row whose `about` starts with this text. @throws Error if there is none */
export function linesAbout(beginning: string): number {
  const found = reading().find(({ about }) => about.startsWith(beginning));
  if (found === undefined) throw new Error(`No row is about ${beginning}.`);
  return found.lines;
}

const isWithin = (file: string, path: string) => file === path || (path.endsWith('/') && file.startsWith(path));
const sumOf = (rows: readonly Reading[]) => rows.reduce((sum, { lines }) => sum + lines, 0);

/** The code below a folder, by its path from there. */
function filesOf(folder: string): readonly string[] {
  return files()
    .filter((file) => file.startsWith(folder) && /\.[jt]s$/.test(file))
    .map((file) => file.slice(folder.length));
}

function linesOf(folder: string, paths: readonly string[]): number {
  const isCode = (line: string) => line.trim() !== '' && !/^\s*(?:\/\/|\/\*|\*)/.test(line);
  return paths.flatMap((path) =>
    readFileSync(join(ROOT, folder, path), 'utf8')
      .split('\n')
      .filter(isCode),
  ).length;
}
