import { describe, expect, it } from 'vitest';
import { createHarness, problemOf } from '../harness.ts';

describe('the request', () => {
  it.each([
    ['?dryrun=1', 'unknown'],
    ['?allowmissing=true', 'unknown'],
    ['??allowMissing=true', 'unknown'],
    ['?&?', 'unknown'],
    ['?expectName=', 'a name'],
    ['?expectName=x&expectName=x', 'more than once'],
    ['?allowMissing=true&x', 'unknown'],
    ['?allowMissing=true&allowMissing=true', 'more than once'],
    ['?allowMissing', 'true or false'],
    ['?allowMissing=1', 'true or false'],
    ['?allowMissing=TRUE', 'true or false'],
  ])('is 400 with the query %s', async (query, _why) => {
    const harness = createHarness();
    const response = await harness.call('DELETE', `/images/m-custom01${query}`);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  });
});

describe('the history', () => {
  it.each([
    'cursor=x',
    'cursor=',
    `cursor=${btoa('1:0')}`,
    `cursor=${btoa('2:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:05').replace(/=/g, '')}`,
    'cursor=MTo1AA',
    'since=yesterday',
    'since=2026-11-23',
    'since=2026-11-23T00:00:00',
    'until=2026-02-30T00:00:00Z',
    'until=2026-11-23T25:00:00Z',
    'until=',
    'imageId=x',
    'imageId=i-custom01',
    'outcome=pending',
    'outcome=',
    'limit=0',
    'limit=501',
    'limit=-1',
    'limit=ten',
    'limit=007',
    'since=2026-11-23T24:00:00Z',
    'limit=',
    'caller=a%20b',
    'page=2',
    'limit=1&limit=2',
  ])('is 400 for %s', async (query) => {
    const response = await createHarness().call('GET', `/deletions?${query}`);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', status: 400 });
  });
});

describe('expectName', () => {
  it('is 400 where it is blank or longer than a name can be', async () => {
    for (const name of ['', 'x'.repeat(257)]) {
      const response = await createHarness().call('DELETE', `/images/m-custom01?expectName=${name}`);
      expect(await problemOf(response)).toMatchObject({ code: 'invalid_request' });
    }
  });
});
