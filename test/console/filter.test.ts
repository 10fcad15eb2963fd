import { expect, it } from 'vitest';
import { FilterError, filterOf } from '../../src/console/filter.ts';

const read = (fields: Readonly<Record<string, string>>) => filterOf((name) => fields[name] ?? '');

it('leaves out blank fields, and trims the others', () => {
  expect(read({})).toEqual({});
  expect(read({ caller: ' ', imageId: ' m-custom01\t', outcome: '', requestId: 'job-1' })).toEqual({
    imageId: 'm-custom01',
    requestId: 'job-1',
  });
  expect(read({ caller: 'ci', outcome: 'unknown', since: '2026-11-25T08:00', until: '2026-11-26T08:00' })).toEqual({
    caller: 'ci',
    outcome: 'unknown',
    since: '2026-11-25T08:00:00.000Z',
    until: '2026-11-26T08:00:00.000Z',
  });
});

it.each(['since', 'until'])('refuses an invalid time in %s', (name) => {
  expect(() => read({ [name]: '12026-11-25T08:00' })).toThrow(FilterError);
});
