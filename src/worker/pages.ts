/**
 * Serves the web pages and the OpenAPI document from the Worker's static assets.
 *
 * Promises: a page runs only scripts and styles deployed with it, talks to no other origin and cannot be framed. The assets receive
 * only the file name, so no request header changes their response. Never: puts text from a request into a page, so nothing can be
 * injected.
 *
 * To add a page, put its HTML, style and script into `dist/pages` and add a route to `app.ts`.
 * Source: https://www.w3.org/TR/CSP3/; https://developers.cloudflare.com/workers/static-assets/binding/.
 */

/** The binding to the static assets. */
export interface Assets {
  readonly fetch: (url: string) => Promise<Response>;
}

/** The path of styles and scripts. */
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
/** Placeholder in the document for the gateway's own origin, which the build does not know. */
export const ORIGIN_PLACEHOLDER = 'https://gateway.invalid';

const FILE = /^[a-z-]+\.(css|js)$/;

/** A page, such as `docs`. `null` if there is no such asset. @throws Error if the assets answer with a status other than 200 or 404 */
export function page(assets: Assets | null, name: string): Promise<Response | null> {
  return pageOf(assets, `${name}.html`, CONTENT_TYPES.html);
}

/** A style or script, such as `docs.js`. `null` if there is no such file. @throws Error as `page` does */
export async function pageFile(assets: Assets | null, name: string): Promise<Response | null> {
  const [, kind] = FILE.exec(name) ?? [];
  return kind === 'css' || kind === 'js' ? pageOf(assets, name, CONTENT_TYPES[kind]) : null;
}

/** The OpenAPI document with `origin` as its server, or with relative URLs if that is blank. `null` and @throws as `page` does */
export async function apiDocument(assets: Assets | null, origin: string): Promise<Response | null> {
  const text = await (await read(assets, 'openapi.json'))?.text();
  if (text === undefined) return null;
  // Replaced by functions, because an origin may contain `$&`. It cannot contain characters that JSON escapes.
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
