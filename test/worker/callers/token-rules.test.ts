/** The claims that identify the caller of a token. */
import { describe, expect, it } from 'vitest';
import type { Issuer } from '../../../src/worker/callers/issuers.ts';
import { parseCallers } from '../../../src/worker/callers/table.ts';
import { namesNoSubject } from '../../../src/worker/callers/token-rules.ts';

const issuer = (name: string, iss = `https://${name}.test`): Issuer => ({
  name,
  issuer: iss,
  audience: 'us',
  jwks: [],
  maxLifetimeS: 3_600,
  header: null,
});
const ISSUERS = [issuer('one'), issuer('two'), issuer('gha', 'https://token.actions.githubusercontent.com')];

function problemsOf(callers: Readonly<Record<string, unknown>>): string[] {
  const entries = Object.entries(callers).map(([name, tokens]) => [name, { tokens, scopes: [] }]);
  const json = JSON.stringify(Object.fromEntries(entries));
  return parseCallers([{ name: 'CALLERS', json }], ISSUERS).problems.map(({ problem }) => problem);
}
const rule = (claims: object, name = 'one') => [{ issuer: name, claims }];

describe('the tokens of a caller', () => {
  it.each<[unknown, RegExp]>([
    ['x', /tokens must be a list/],
    [[], /tokens must be a list/],
    [[1], /tokens must be a list of objects/],
    [rule({ a: 'b' }, 'three'), /issuer that is not in ISSUERS/],
    [[{ issuer: 'one', claims: { a: 'b' }, extra: 1 }], /unknown field/],
    [[{ issuer: 'one' }], /claims must be/],
    [rule({}), /claims must be/],
    [rule({ a: 1 }), /claims must be/],
    [rule({ a: true }), /claims must be/],
    [rule({ a: ['b'] }), /claims must be/],
    [rule({ a: '' }), /claims must be/],
    [rule({ a: 'b', c: null }), /claims must be/],
    [rule({ a: 'team-*' }), /claims must be.*"\*" is not/],
  ])('are refused if they are %j', (tokens, problem) => {
    const problems = problemsOf({ a: tokens });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).toMatch(/^caller 1: /);
  });

  const problemsAt = (iss: string, claims: object) => {
    const json = JSON.stringify({ a: { tokens: rule(claims, 'shared'), scopes: [] } });
    return parseCallers([{ name: 'CALLERS', json }], [issuer('shared', iss)]).problems.map(({ problem }) => problem);
  };
  /** Claims that anyone else there can have, too. */
  const ANYONE = {
    ref: 'main',
    repository: 'acme/images',
    project_path: 'acme/images',
    email: 'ci@acme.test',
    email_verified: 'true',
    terraform_workspace_name: 'images',
    organization_slug: 'acme',
  };

  it.each<[string, string, readonly string[]]>([
    [
      'GitHub',
      'https://token.actions.githubusercontent.com',
      ['repository_id', 'repository_owner_id', 'enterprise_id'],
    ],
    [
      'GitHub',
      'https://token.actions.githubusercontent.com/acme',
      ['repository_id', 'repository_owner_id', 'enterprise_id'],
    ],
    ['GitLab.com', 'https://gitlab.com', ['project_id', 'namespace_id']],
    ['Google', 'https://accounts.google.com', ['sub', 'hd']],
    ['Google', 'accounts.google.com', ['sub', 'hd']],
    ['HCP Terraform', 'https://app.terraform.io', ['terraform_workspace_id', 'terraform_organization_id']],
    ['HCP Terraform', 'https://app.eu.terraform.io', ['terraform_workspace_id', 'terraform_organization_id']],
    ['Buildkite', 'https://agent.buildkite.com', ['organization_id']],
  ])('of %s (%s) need one of %j, because anyone there may choose our audience', (name, iss, tenants) => {
    const need = `caller 1: tokens of ${name} need ${tenants.join(' or ')}, or else anyone on ${name} matches`;
    expect(problemsAt(iss, ANYONE)).toEqual([need]);
    if (name !== 'Google') expect(problemsAt(iss, { sub: 'acme/images' })).toEqual([need]);
    for (const tenant of tenants) {
      expect(problemsAt(iss, { [tenant]: '456789' })).toEqual([]);
      expect(problemsAt(iss, { ...ANYONE, [tenant]: '456789' })).toEqual([]);
    }
  });

  it('of GitLab.com may not admit all of GitLab.com', () => {
    expect(problemsAt('https://gitlab.com', { ref: 'main' })).toHaveLength(1);
  });

  it.each([
    'https://issuer.test/?of=https://token.actions.githubusercontent.com',
    'https://gitlab.com.issuer.test',
    'https://gitlab.acme.test',
    'https://accounts.google.com.issuer.test',
    'https://app.terraform.io.issuer.test',
    'https://agent.buildkite.com.issuer.test',
    'https://issuer.test/https://gitlab.com',
    'https://issuer.test/accounts.google.com',
    'https://issuer.test/https://app.terraform.io',
    'https://issuer.test/https://agent.buildkite.com',
  ])('of an issuer that only resembles such a platform need no such claim: %s', (iss) => {
    expect(problemsAt(iss, { ref: 'main' })).toEqual([]);
  });
});

describe('whether a rule names no subject', () => {
  const caller = { id: 'a', scopes: new Set<never>(), names: null, dailyDeletions: null };
  const jwks = 'https://one.test/jwks';

  it.each<[boolean, string, Partial<Issuer>, readonly string[]]>([
    [true, 'other claims', { jwks }, ['ref', 'team']],
    [false, '"sub"', { jwks }, ['ref', 'sub']],
    [false, '"common_name"', { jwks }, ['common_name', 'ref']],
    [false, 'keys from our own configuration', { jwks: [] }, ['ref']],
    [false, 'an issuer whose tenants are known', { jwks, issuer: 'https://gitlab.com' }, ['project_id']],
  ])('is %s with %s', (expected, _what, fields, names) => {
    const claims = names.map((name) => [name, 'x'] as const);
    expect(namesNoSubject({ caller, issuer: 'one', claims }, { ...issuer('one'), ...fields })).toBe(expected);
  });
});

describe('two callers', () => {
  const contain = 'tokens has claims that contain those of another caller';

  it.each<[string, object, object, number[]]>([
    ['are refused if they have the same claims', { a: '1', b: '2' }, { b: '2', a: '1' }, [1, 2]],
    ['are refused if the second has the claims of the first and more', { a: '1' }, { a: '1', b: '2' }, [2]],
    ['are refused if the second has a part of the claims of the first', { a: '1', b: '2' }, { b: '2' }, [1]],
    ['are distinct if a claim differs', { a: '1' }, { a: '2' }, []],
    ['are distinct if each has a claim of its own beside a common one', { a: '1', b: '2' }, { a: '1', c: '3' }, []],
  ])('%s', (_what, first, second, positions) => {
    expect(problemsOf({ a: rule(first), b: rule(second) })).toEqual(positions.map((n) => `caller ${n}: ${contain}`));
  });

  it('and a third are distinct, although each two share a claim', () => {
    const three = { a: rule({ x: '1', y: '2' }), b: rule({ x: '1', z: '3' }), c: rule({ y: '2', z: '3' }) };
    expect(problemsOf(three)).toEqual([]);
  });

  it('with different issuers may have the same claims, and so may two rules of one caller', () => {
    expect(problemsOf({ a: rule({ a: '1' }), b: rule({ a: '1' }, 'two') })).toEqual([]);
    expect(problemsOf({ a: [...rule({ a: '1' }), ...rule({ a: '1', b: '2' })] })).toEqual([]);
  });

  it('that clash are found among thousands that share their other claims', () => {
    const many = Array.from({ length: 4_000 }, (_, n) => [`c${n}`, rule({ owner: '1', repository_id: String(n) })]);
    expect(problemsOf(Object.fromEntries(many))).toEqual([]);
    const one = ['last', rule({ owner: '1', repository_id: '77', ref: 'main' })];
    expect(problemsOf(Object.fromEntries([...many, one]))).toEqual([`caller 4001: ${contain}`]);
  });
});
