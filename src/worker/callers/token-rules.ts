/**
 * The claims by which a caller is known from its token.
 *
 * Promises: a rule that somebody else could fulfil, or that another caller's token fulfils too, is a fault. Never: takes a pattern,
 * because names can be chosen so that they fit.
 *
 * Source: https://docs.github.com/en/actions/reference/security/oidc (claims that nobody else can have).
 */
import { isRecord } from '../json.ts';
import type { Caller } from './caller.ts';
import type { Issuer } from './issuers.ts';

/** Each claim must be in the token with exactly this text. */
export interface TokenRule {
  readonly caller: Caller;
  /** The issuer's name in our configuration. */
  readonly issuer: string;
  readonly claims: readonly Claim[];
}

type Claim = readonly [name: string, text: string];
type Report = (problem: string) => void;

/** Everybody on GitHub may ask for a token with our audience, so a rule must name an owner by a number that nobody else can get. */
const GITHUB = /^https:\/\/token\.actions\.githubusercontent\.com(?:\/|$)/;
const GITHUB_OWNERS: readonly string[] = ['repository_id', 'repository_owner_id', 'enterprise_id'];

/** Reads the field `tokens` of a caller's entry. */
export function parseTokenRules(
  value: unknown,
  caller: Caller,
  issuers: readonly Issuer[],
  report: Report,
): TokenRule[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length < 1) {
    report('tokens must be a list of one rule or more');
    return [];
  }
  return value.flatMap((rule: unknown) => {
    if (!isRecord(rule)) {
      report('tokens must be a list of objects');
      return [];
    }
    const { issuer: name, claims, ...rest } = rule;
    if (Object.keys(rest).length > 0) report('tokens has a field that does not exist');
    const issuer = issuers.find((known) => known.name === name);
    if (issuer === undefined) report('tokens names an issuer that is not in ISSUERS');
    const read = parseClaims(claims, report);
    if (issuer === undefined || read === null) return [];
    if (GITHUB.test(issuer.issuer) && !read.some(([claim]) => GITHUB_OWNERS.includes(claim))) {
      report(`tokens of GitHub need ${GITHUB_OWNERS.join(', ')}, or anyone on GitHub fits`);
    }
    return [{ caller, issuer: issuer.name, claims: read }];
  });
}

function parseClaims(value: unknown, report: Report): Claim[] | null {
  const entries = isRecord(value) ? Object.entries(value) : [];
  const claims = entries.flatMap(([name, text]): Claim[] => (isClaimText(text) ? [[name, text]] : []));
  if (claims.length < 1 || claims.length < entries.length) {
    report('claims must be one text or more; they are compared exactly, so there is no "*"');
    return null;
  }
  return claims;
}

function isClaimText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('*');
}

/** The rules that contain a rule of another caller for the same issuer: a token that fits them would stand for both. */
export function rulesOfTwo(rules: readonly TokenRule[]): TokenRule[] {
  const keysOf = ({ issuer, claims }: TokenRule) => claims.map((claim) => JSON.stringify([issuer, ...claim]));
  const counts = new Map<string, number>();
  for (const key of rules.flatMap(keysOf)) counts.set(key, (counts.get(key) ?? 0) + 1);
  // Whatever contains a rule has its rarest claim, so only few rules have to be compared.
  const byRarest = Map.groupBy(rules, (rule) => {
    const [rarest = ''] = keysOf(rule).sort((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0));
    return rarest;
  });
  return rules.filter((rule) => {
    const keys = new Set(keysOf(rule));
    const contained = [...keys].flatMap((key) => byRarest.get(key) ?? []);
    return contained.some((other) => other.caller !== rule.caller && keysOf(other).every((key) => keys.has(key)));
  });
}
