/** The OpenAPI document. */
import { describe, expect, it } from 'vitest';
import { problemSchema } from '../../src/http/schemas.ts';
import { isProblemCode, PROBLEMS } from '../../src/problems/failure.ts';
import { createHarness } from '../harness.ts';

const codes = Object.keys(PROBLEMS).filter(isProblemCode);

describe('the OpenAPI document', () => {
  it('has every route, every code and the problem schema', async () => {
    const response = await createHarness().call('GET', '/openapi.json', {});
    const document: unknown = await response.json();
    expect(document).toMatchObject({
      openapi: '3.1.1',
      servers: [{ url: 'https://gateway.test' }],
      components: { schemas: { Problem: JSON.parse(JSON.stringify(problemSchema)) } },
    });
    const { app } = createHarness();
    const routes = new Set(
      app.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path.replace(/:(\w+)/, '{$1}')),
    );
    expect(document).toHaveProperty('paths', expect.anything());
    const text = JSON.stringify(document);
    for (const route of routes) expect(text).toContain(`"${route}":`);
    for (const code of codes) expect(text).toContain(code);
  });
});
