/** The query parameters: each is understood exactly, or the request is refused. */
import { describe, expect, it } from 'vitest';
import { PARAMETERS } from '../../../src/worker/http/query.ts';
import { createHarness, problemOf } from '../../harness.ts';

describe('DELETE /images/{id}', () => {
  it.each([
    ['?dryrun=1', 'is unknown'],
    ['?allowmissing=true', 'is unknown'],
    ['??allowMissing=true', 'is unknown'],
    ['?&?', 'is unknown'],
    ['?expectName=', 'image name'],
    ['?expectName=x&expectName=x', 'is repeated'],
    ['?allowMissing=true&x', 'is unknown'],
    ['?allowMissing=true&allowMissing=true', 'is repeated'],
    ['?allowMissing', 'true or false'],
    ['?allowMissing=1', 'true or false'],
    ['?allowMissing=TRUE', 'true or false'],
  ])('answers 400 to %s with a detail that says "%s"', async (query, detail) => {
    const harness = createHarness();
    const response = await harness.call('DELETE', `/images/m-custom01${query}`);
    expect(await problemOf(response)).toMatchObject({
      code: 'invalid_request',
      outcome: 'not_attempted',
      detail: expect.stringContaining(detail),
    });
    expect(harness.requests).toHaveLength(0);
  });
});

describe('GET /deletions', () => {
  it.each([
    'limit=1',
    'limit=500',
    'since=2026-11-23T08:00:00.123456789%2B08:00',
    'since=2026-11-23t08:00:00z&until=2016-12-31T23:59:60Z',
    'caller=cleaner',
    'outcome=unknown',
    'outcome=not_deleted',
    'requestId=job-42.retry_1',
    `cursor=${btoa('1:1795478400000:7').replace(/=/g, '')}`,
  ])('accepts ?%s', async (query) =>
    expect((await createHarness().call('GET', `/deletions?${query}`)).status).toBe(200),
  );

  it.each([
    'cursor=x',
    'cursor=',
    `cursor=${btoa('1:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:7:0').replace(/=/g, '')}`,
    `cursor=${btoa('2:7:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:7:05').replace(/=/g, '')}`,
    `cursor=${btoa('1:07:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:-7:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:7:5:1').replace(/=/g, '')}`,
    `cursor=${btoa('1:1:5')}=`,
    `cursor=${btoa('1:7:5').replace(/=/g, '')}AA`,
    'requestId=',
    'requestId=a%20b',
    `requestId=${'x'.repeat(65)}`,
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
  ])('answers 400 to ?%s', async (query) => {
    const response = await createHarness().call('GET', `/deletions?${query}`);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', status: 400 });
  });
});

describe('a time', () => {
  it.each([
    ['2026-11-23T08:00:00Z', '2026-11-23T08:00:00.000Z'],
    ['2026-11-23t08:00:00z', '2026-11-23T08:00:00.000Z'],
    ['2026-11-23t16:00:00.5+08:00', '2026-11-23T08:00:00.500Z'],
    [`2026-11-23T08:00:00.${'123456789'.repeat(4)}Z`, '2026-11-23T08:00:00.123Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60.25z', '2017-01-01T00:00:00.250Z'],
    ['1990-12-31T15:59:60-08:00', '1991-01-01T00:00:00.000Z'],
    ['2017-01-01T07:59:60+08:00', '2017-01-01T00:00:00.000Z'],
  ])('of RFC 3339, such as %s, is %s', (text, iso) => {
    for (const { parse } of [PARAMETERS.since, PARAMETERS.until]) {
      expect(new Date(parse(text) ?? Number.NaN).toISOString()).toBe(iso);
    }
  });

  it.each([
    '2016-12-31T23:59:61Z',
    '2016-12-31T22:59:60Z',
    '2016-12-30T23:59:60Z',
    '2016-12-31T23:59:60+08:00',
    '2016-12-31T23:60:00Z',
    '2016-12-31 23:59:59Z',
    '2016-12-31T23:59:59.Z',
    '2016-12-31T23:59:59+24:00',
    '2016-02-30t00:00:00z',
    '2016-12-31T24:00:00Z',
  ])('is not %s', (text) => {
    expect(PARAMETERS.since.parse(text)).toBeUndefined();
  });
});

describe('expectName', () => {
  it('may have 256 characters', async () => {
    const response = await createHarness().call('DELETE', `/images/m-custom01?expectName=${'x'.repeat(256)}`);
    expect(await problemOf(response)).toMatchObject({ code: 'precondition_failed' });
  });

  it('is refused with 400 if it is blank or longer than 256 characters', async () => {
    for (const name of ['', 'x'.repeat(257)]) {
      const response = await createHarness().call('DELETE', `/images/m-custom01?expectName=${name}`);
      expect(await problemOf(response)).toMatchObject({ code: 'invalid_request' });
    }
  });
});
