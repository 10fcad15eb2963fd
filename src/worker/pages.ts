/**
 * The pages for people and the OpenAPI document, from the Worker's static assets.
 *
 * Promises: a page runs only the scripts and styles that are deployed with it, talks to no other origin and cannot be framed. The
 * assets receive the name of the file and nothing else of the request, so no header changes their response. Never: puts text from
 * a request into a page, so nothing can be injected.
 *
 * A further page is its HTML, style and script in `dist/pages` and a route in `app.ts`.
 * Source: https://www.w3.org/TR/CSP3/; https://developers.cloudflare.com/workers/static-assets/binding/.
 */

/** The binding to the static assets. */
export interface Assets {
  readonly fetch: (url: string) => Promise<Response>;
}

/** Where the style and script of all pages are. */
export const FILES_PATH = '/assets';
export const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const;
export const CONTENT_TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
} as const;
/** Stands in the document for the gateway's own origin, which the build does not know. */
export const ORIGIN_PLACEHOLDER = 'https://gateway.invalid';

const FILE = /^[a-z-]+\.(css|js)$/;

/** A page, such as `docs`. `null` if this deployment has no assets. @throws Error if they answer neither with it nor with 404 */
export function page(assets: Assets | null, name: string): Promise<Response | null> {
  return pageOf(assets, `${name}.html`, CONTENT_TYPES.html);
}

/** Style or script, such as `docs.js`. `null` if there is no such file. @throws Error as `page` does */
export async function pageFile(assets: Assets | null, name: string): Promise<Response | null> {
  const [, kind] = FILE.exec(name) ?? [];
  return kind === 'css' || kind === 'js' ? pageOf(assets, name, CONTENT_TYPES[kind]) : null;
}

/** The OpenAPI document with `origin` as its server, or with relative URLs if that is blank. `null` and @throws as `page` does */
export async function apiDocument(assets: Assets | null, origin: string): Promise<Response | null> {
  const text = await (await read(assets, 'openapi.json'))?.text();
  if (text === undefined) return null;
  // An origin may have `$&` in it, so it is given by functions. It cannot have what JSON escapes.
  const named = text.replaceAll(`"${ORIGIN_PLACEHOLDER}"`, () => `"${origin || '/'}"`);
  return new Response(
    named.replaceAll(ORIGIN_PLACEHOLDER, () => origin),
    { headers: { 'Content-Type': 'application/json' } },
  );
}

async function pageOf(assets: Assets | null, name: string, type: string): Promise<Response | null> {
  const file = await read(assets, name);
  return file && new Response(file.body, { headers: { 'Content-Type': type, ...PAGE_HEADERS } });
}

async function read(assets: Assets | null, name: string): Promise<Response | null> {
  // The binding ignores the host.
  const answer = await assets?.fetch(`https://assets/${name}`);
  if (answer === undefined || answer.status === 404) return null;
  if (answer.status !== 200) throw new Error(`The assets answered ${answer.status}.`);
  return answer;
}
