/** The pages, from the assets that are deployed. `test/browser` opens them in a browser. */

import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { isRecord } from '../../src/worker/json.ts';
import { apiDocument, ORIGIN_PLACEHOLDER } from '../../src/worker/pages.ts';
import { createHarness, problemOf } from '../harness.ts';

const POLICY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
const get = (path: string, headers: Record<string, string> = {}) => createHarness().call('GET', path, headers);
/** The files that the HTML of a page loads. */
const filesOf = (html: string) =>
  [...html.matchAll(/ (?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, file = '']) => file);

const DOCS_FILES = ['swagger-ui.css', 'docs.css', 'swagger-ui-bundle.js', 'docs.js'].map((file) => `/assets/${file}`);

describe.each([
  ['/docs', '<div id="docs">', DOCS_FILES],
  ['/console', '<template>', ['/assets/console.js', '/assets/console.css']],
])('GET %s', (path, content, ownFiles) => {
  it('serves a page under the policy, without a key, and writes an audit record', async () => {
    const { call, lines } = createHarness();
    const response = await call('GET', path, {});
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      ...POLICY,
      'content-type': 'text/html; charset=utf-8',
    });
    expect(await response.text()).toContain(content);
    expect(lines.map(({ record }) => [record['http.route'], record['decision']])).toEqual([[path, 'allowed']]);
  });

  it('has no inline script or style, and every file that it loads exists, under the same policy', async () => {
    const html = await (await get(path)).text();
    expect(html).not.toMatch(/<style|<script(?![^>]* src=)| style=| on\w+=/);
    const files = filesOf(html);
    expect(files).toEqual(ownFiles);
    for (const file of files) {
      const response = await get(file);
      const type = file.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8';
      expect(response.status, file).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({ ...POLICY, 'content-type': type });
      expect((await response.text()).length, file).toBeGreaterThan(0);
    }
  });
});

describe('GET /docs', () => {
  it('sends the complete file, whatever cache or range headers the request has', async () => {
    const response = await get('/assets/docs.js', { 'If-None-Match': '*', Range: 'bytes=0-1' });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('SwaggerUIBundle(');
  });

  it('fails like the other paths', async () => {
    for (const path of [
      '/docs/',
      '/docs.html',
      '/assets/',
      '/assets/docs.html',
      '/assets/nothing.js',
      '/assets/..%2fdocs.js',
    ]) {
      expect(await problemOf(await get(path)), path).toMatchObject({ code: 'route_not_found' });
    }
    const refused = await createHarness().call('POST', '/docs', {});
    expect(await problemOf(refused)).toMatchObject({ code: 'method_not_allowed' });
    expect(refused.headers.get('allow')).toBe('GET, HEAD');
  });

  it('answers even if the configuration is invalid', async () => {
    const harness = createHarness({ env: { BCE_ACCESS_KEY_ID: undefined } });
    expect((await harness.call('GET', '/docs', {})).status).toBe(200);
  });

  it('is unknown if the Worker has no assets, but everything else works', async () => {
    const harness = createHarness({ env: { ASSETS: undefined } });
    expect(await problemOf(await harness.call('GET', '/docs', {}))).toMatchObject({ code: 'route_not_found' });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(200);
  });
});

describe('the OpenAPI document', () => {
  const documentFor = async (origin: string) => {
    const text = await (await apiDocument(env.ASSETS, origin))?.text();
    return { text, document: JSON.parse(text ?? '') };
  };
  const typesIn = (part: unknown): unknown[] => {
    if (!isRecord(part)) return [];
    return [part['type'], ...Object.values(part).flatMap(typesIn)].filter((type) =>
      String(type).includes('/problems/'),
    );
  };

  it.each(['https://images.example.com', 'http://localhost:8787', 'https://a$&b'])(
    'names %s as its server and in its examples',
    async (origin) => {
      const { text, document } = await documentFor(origin);
      expect(text).not.toContain(ORIGIN_PLACEHOLDER);
      expect(document.servers).toEqual([{ url: origin }]);
      const types = typesIn(document.components.examples);
      expect(types.length).toBeGreaterThan(20);
      for (const type of types) expect(type).toMatch(/\/problems\/[a-z_]+$/);
      expect(new Set(types.map((type) => String(type).split('/problems/')[0]))).toEqual(new Set([origin]));
    },
  );

  it('has relative addresses if the origin must not be repeated', async () => {
    const { text, document } = await documentFor('');
    expect(text).not.toContain(ORIGIN_PLACEHOLDER);
    expect(document.servers).toEqual([{ url: '/' }]);
    expect(document.components.examples['route_not_found.not_attempted'].value.type).toBe('/problems/route_not_found');
  });

  it('is not a page: it has no policy, and is unknown without assets', async () => {
    const { headers } = await createHarness().call('GET', '/openapi.json', {});
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('content-security-policy')).toBeNull();
    const without = createHarness({ env: { ASSETS: undefined } });
    expect(await problemOf(await without.call('GET', '/openapi.json', {}))).toMatchObject({ code: 'route_not_found' });
  });
});

describe('the assets', () => {
  it('get the name of the file and nothing else from the request', async () => {
    const calls: unknown[][] = [];
    const fetch = async (...args: unknown[]) => {
      calls.push(args);
      return new Response('x');
    };
    await createHarness({ env: { ASSETS: { fetch } } }).call('GET', '/assets/docs.js?key=secret');
    expect(calls).toEqual([['https://assets/docs.js']]);
  });
});
