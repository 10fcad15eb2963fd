/** Local development with a route in the configuration: `wrangler dev` gives the Worker the route's host name. */
import { afterAll, describe, expect, it } from 'vitest';
import { CALLERS, KEYS } from '../fixtures.ts';
import { type Gateway, LOCAL_ORIGIN, startGateway, varsFor } from './stack.ts';

const ROUTE = ['--route', 'images.internal.example.com/*'];
/** The gateway makes no calls here. */
const vars = { ...varsFor({ url: 'http://localhost:9' }), CALLERS: JSON.stringify(CALLERS) };
const headers = { Authorization: `Bearer ${KEYS.reader}` };
const gateways: Gateway[] = [];
const start = async (...args: string[]) => {
  const gateway = await startGateway({ port: 0, vars, args: [...ROUTE, ...args] });
  gateways.push(gateway);
  return gateway.url;
};

afterAll(() => Promise.all(gateways.map((gateway) => gateway.stop())));

describe('wrangler dev with a route', () => {
  it('sends plain http to that host, which is refused', async () => {
    const url = await start();
    const response = await fetch(`${url}/readyz`, { headers });
    expect(await response.json()).toMatchObject({
      type: 'https://images.internal.example.com/problems/insecure_transport',
      code: 'insecure_transport',
    });
    expect((await fetch(`${url}/docs`, { redirect: 'manual' })).status).toBe(308);
  });

  it('serves plain http with the option that npm start uses', async () => {
    const url = await start(LOCAL_ORIGIN);
    expect((await fetch(`${url}/readyz`, { headers })).status).toBe(200);
  });
});
