/** How a table of callers is shown. */
import { expect, it } from 'vitest';
import type { CallersFile } from '../../src/tools/callers-file.ts';
import { listCallers, sizesOf } from '../../src/tools/callers-list.ts';

const TABLE: CallersFile = [
  {
    name: 'CALLERS',
    callers: [
      {
        name: 'ci-cleaner',
        fields: {
          keySha256: [`0123abcD${'e'.repeat(56)}`, 'f'.repeat(64)],
          binding: true,
          scopes: ['images:delete', 'images:read'],
          names: ['ci-*', 'tmp-*'],
          dailyDeletions: 0,
        },
      },
    ],
  },
  {
    name: 'CALLERS_1',
    callers: [
      {
        name: 'x',
        fields: { tokens: [{ issuer: 'gha', claims: { a: '1', b: '\u001b[2J\u202e' } }], scopes: [], names: [] },
      },
      { name: 'y', fields: { binding: true, scopes: ['images:read'] } },
    ],
  },
];

it('shows part, scopes, limits and proofs of each caller on one line, and no digest whole', () => {
  expect(listCallers(TABLE)).toBe(
    [
      'caller      part       scopes                     limits                     proofs',
      'ci-cleaner  CALLERS    images:delete,images:read  names ci-*,tmp-*; 0 a day  key 0123abcd; key ffffffff; binding',
      'x           CALLERS_1  none                       names none                 token gha a=1 b=?[2J?',
      'y           CALLERS_1  images:read                -                          binding',
      '',
    ].join('\n'),
  );
  expect(listCallers(TABLE, 'y')).toBe(
    'caller  part       scopes       limits  proofs\ny       CALLERS_1  images:read  -       binding\n',
  );
  expect(listCallers([{ name: 'CALLERS', callers: [] }])).toBe('Nobody may call.\n');
});

it('shows how large each part is, and what is too much', () => {
  const large = { name: 'CALLERS_22', callers: [{ name: 'a', fields: { names: ['x'.repeat(5_000)] } }] };
  expect(sizesOf([{ name: 'CALLERS', callers: [] }, large])).toBe(
    [
      'CALLERS     2 of 5000 bytes                                                0 callers',
      'CALLERS_22  5020 of 5000 bytes, 20 too many: move callers to another part  1 caller',
      '',
    ].join('\n'),
  );
});
