/**
 * The claims that identify a caller by its token.
 *
 * Promises: rejects a rule that somebody else's token could match, or that would also match another caller's. Never: allows patterns,
 * because anyone can choose a name that fits one.
 */
import { isRecord } from '../json.ts';
import type { Caller } from './caller.ts';
import type { Issuer } from './issuers.ts';

/** The token must have each claim with exactly this text. */
export interface TokenRule {
  readonly caller: Caller;
  /** The issuer's name in our configuration. */
  readonly issuer: string;
  readonly claims: readonly Claim[];
}

type Claim = readonly [name: string, text: string];
type Report = (problem: string) => void;

/** An issuer with many tenants, any of whom can get a token for our audience. */
interface SharedIssuer {
  readonly name: string;
  readonly issuer: RegExp;
  /** A rule must have one of these claims, whose text no other tenant can get. Names can be released and taken by others. */
  readonly tenants: readonly string[];
}

const SHARED_ISSUERS: readonly SharedIssuer[] = [
  // https://docs.github.com/en/actions/reference/security/oidc
  {
    name: 'GitHub',
    issuer: /^https:\/\/token\.actions\.githubusercontent\.com(?:\/|$)/,
    tenants: ['repository_id', 'repository_owner_id', 'enterprise_id'],
  },
  // https://docs.gitlab.com/ci/secrets/id_token_authentication/ ("sub" has the path of the project, which can change hands)
  { name: 'GitLab.com', issuer: /^https:\/\/gitlab\.com\/?$/, tenants: ['project_id', 'namespace_id'] },
  // https://developers.google.com/identity/openid-connect/reference ("email" can change hands, and may be unverified)
  { name: 'Google', issuer: /^(?:https:\/\/)?accounts\.google\.com$/, tenants: ['sub', 'hd'] },
  // https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens
  {
    name: 'HCP Terraform',
    issuer: /^https:\/\/app\.(?:eu\.)?terraform\.io$/,
    tenants: ['terraform_workspace_id', 'terraform_organization_id'],
  },
  // https://buildkite.com/docs/apis/workload-identity-federation/buildkite-agents
  { name: 'Buildkite', issuer: /^https:\/\/agent\.buildkite\.com$/, tenants: ['organization_id'] },
];
/** The claims that name the subject. Cloudflare Access uses the second if the first is blank. */
const SUBJECTS: readonly string[] = ['sub', 'common_name'];

function sharedIssuerOf({ issuer: text }: Issuer): SharedIssuer | undefined {
  return SHARED_ISSUERS.find(({ issuer }) => issuer.test(text));
}

/**
 * Whether the rule names no subject, although the issuer's keys are fetched and it may have tenants that we do not know of. Its other
 * claims may be true of anyone there.
 */
export function namesNoSubject({ claims }: TokenRule, issuer: Issuer): boolean {
  const isFetched = typeof issuer.jwks === 'string' && sharedIssuerOf(issuer) === undefined;
  return isFetched && !claims.some(([name]) => SUBJECTS.includes(name));
}

/** Reads the field `tokens` of a caller's entry. */
export function parseTokenRules(
  value: unknown,
  caller: Caller,
  issuers: readonly Issuer[],
  report: Report,
): TokenRule[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length < 1) {
    report('tokens must be a list of one or more rules');
    return [];
  }
  return value.flatMap((rule: unknown) => {
    if (!isRecord(rule)) {
      report('tokens must be a list of objects');
      return [];
    }
    const { issuer: name, claims, ...rest } = rule;
    if (Object.keys(rest).length > 0) report('tokens has an unknown field');
    const issuer = issuers.find((known) => known.name === name);
    if (issuer === undefined) report('tokens names an issuer that is not in ISSUERS');
    const read = parseClaims(claims, report);
    if (issuer === undefined || read === null) return [];
    const shared = sharedIssuerOf(issuer);
    if (shared !== undefined && !read.some(([claim]) => shared.tenants.includes(claim))) {
      report(`tokens of ${shared.name} need ${shared.tenants.join(' or ')}, or else anyone on ${shared.name} matches`);
    }
    return [{ caller, issuer: issuer.name, claims: read }];
  });
}

function parseClaims(value: unknown, report: Report): Claim[] | null {
  const entries = isRecord(value) ? Object.entries(value) : [];
  const claims = entries.flatMap(([name, text]): Claim[] => (isClaimText(text) ? [[name, text]] : []));
  if (claims.length < 1 || claims.length < entries.length) {
    report('claims must be one or more strings; they must match exactly, so "*" is not allowed');
    return null;
  }
  return claims;
}

function isClaimText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('*');
}

/** The rules that contain another caller's rule for the same issuer: a token that matches one would identify both callers. */
export function rulesOfTwo(rules: readonly TokenRule[]): TokenRule[] {
  const keysOf = ({ issuer, claims }: TokenRule) => claims.map((claim) => JSON.stringify([issuer, ...claim]));
  const counts = new Map<string, number>();
  for (const key of rules.flatMap(keysOf)) counts.set(key, (counts.get(key) ?? 0) + 1);
  // A rule that contains another has its rarest claim, so only few rules need comparing.
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
