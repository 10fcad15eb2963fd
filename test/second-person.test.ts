/** The recipes for a second person's approval: the rules in operating.md, and tokens with and without the required claim. */
import { beforeAll, describe, expect, inject, it } from 'vitest';
import operating from '../src/docs/operating.md?raw';
import { isRecord, parseJson } from '../src/worker/json.ts';
import { createHarness } from './harness.ts';
import { AUDIENCE, type Members, TestIssuer } from './issuer.ts';
import './provided.ts';

const [, recipes = ''] = operating.split("## Require a second person's approval\n");
const [section = ''] = recipes.split(/^## /m);

/** The callers in the recipe for a platform. */
function callersOf(platform: string): string {
  const [, recipe = ''] = section.split(`### ${platform}\n`);
  const [, json = ''] = /^```json\n(.*?)^```$/ms.exec(recipe.split('### ')[0] ?? '') ?? [];
  if (!isRecord(parseJson(json))) throw new Error(`No callers for ${platform}`);
  return json;
}

const ISS = {
  gha: 'https://token.actions.githubusercontent.com',
  gitlab: 'https://gitlab.com',
  'access-images': 'https://acme.cloudflareaccess.com',
};
/** The audience tag of the Access application without approval. */
const OTHER_AUD = 'aud-of-the-other-application';
let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await TestIssuer.create(inject('issuerUrl'));
});

const GITHUB = { iss: ISS.gha, repository_id: '456789', ref: 'refs/heads/main', sub: 'repo:acme/images' };
const GITLAB = { iss: ISS.gitlab, project_id: '456789', ref: 'main', ref_protected: 'true' };
const ACCESS = { iss: ISS['access-images'], sub: '<user id>', email: 'alice@example.com' };
const APPROVED: Readonly<Record<string, Members>> = {
  GitHub: { ...GITHUB, environment: 'image-deletion' },
  GitLab: { ...GITLAB, environment: 'image-deletion', environment_protected: 'true' },
  'Cloudflare Access': ACCESS,
};

/** The status of a deletion with this token, and whether it called Baidu. */
async function deleteWith(platform: string, claims: Members) {
  const entries = Object.entries(ISS).map(([name, iss]) => [name, issuer.entry({ issuer: iss })]);
  const ISSUERS = JSON.stringify({
    ...Object.fromEntries(entries),
    access: issuer.entry({ issuer: ISS['access-images'], audience: OTHER_AUD }),
  });
  const harness = createHarness({ env: { CALLERS: callersOf(platform), ISSUERS } });
  const token = await issuer.token({ aud: AUDIENCE, ...claims });
  const { status } = await harness.call('DELETE', '/images/m-custom01', { Authorization: `Bearer ${token}` });
  return { status, isSent: harness.requests.length > 0 };
}

describe('with the rule of a recipe', () => {
  it.each(Object.entries(APPROVED))('%s deletes with a token issued after approval', async (platform, claims) => {
    expect(await deleteWith(platform, claims)).toEqual({ status: 200, isSent: true });
  });

  it.each<[string, string, Members]>([
    ['GitHub', 'without the claim', GITHUB],
    ['GitHub', 'of another environment', { ...GITHUB, environment: 'staging' }],
    ['GitHub', 'of another repository', { ...GITHUB, environment: 'image-deletion', repository_id: '1' }],
    ['GitLab', 'without the claims', GITLAB],
    [
      'GitLab',
      'of an unprotected environment',
      { ...GITLAB, environment: 'image-deletion', environment_protected: 'false' },
    ],
    ['GitLab', 'that does not say whether the environment is protected', { ...GITLAB, environment: 'image-deletion' }],
    ['Cloudflare Access', 'of the application without approval', { ...ACCESS, aud: OTHER_AUD }],
    ['Cloudflare Access', 'of another person', { ...ACCESS, sub: 'somebody else' }],
  ])('%s is refused with a token %s, and nothing is sent to Baidu', async (platform, _what, claims) => {
    expect(await deleteWith(platform, claims)).toEqual({ status: 401, isSent: false });
  });
});
