/**
 * The gateway's operations, one row each. The document derives parameters, security and all responses from the rows.
 *
 * Promises: an operation's stages are those of its route in `app.ts`. One test provokes each failure that follows from them, and every
 * other test rejects failures that do not.
 */
import type { OpenAPIV3_1 } from 'openapi-types';
import { METRICS_CONTENT_TYPE } from '../worker/http/metrics.ts';
import {
  DELETION_PARAMETERS,
  HISTORY_PARAMETERS,
  PARAMETERS,
  type ParameterName,
  READINESS_PARAMETERS,
} from '../worker/http/query.ts';
import { CONTENT_TYPES, FILES_PATH, PAGE_HEADERS } from '../worker/pages.ts';
import type { Stage } from '../worker/problems/facts.ts';
import { PROBLEMS_PATH } from '../worker/problems/problem.ts';
import { imageIdSchema } from './bodies.ts';
import type { EXAMPLES } from './examples.ts';
import { schema } from './schemas.ts';
import type { Schema } from './shape.ts';

export interface Operation {
  readonly method: 'get' | 'delete';
  readonly path: string;
  /** Generated clients use this name. */
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly (OpenAPIV3_1.ParameterObject | OpenAPIV3_1.ReferenceObject)[];
  readonly stages: readonly Stage[];
  readonly success: Success;
}

/** The 200: a named JSON body, or content in one of these media types. */
export interface Success {
  readonly description: string;
  readonly body?: keyof typeof EXAMPLES;
  readonly types?: Readonly<Record<string, Schema>>;
  /** Headers in addition to those of every response. */
  readonly headers?: readonly string[];
}

export const TAGS = {
  images: 'Preview and delete images.',
  deletions: 'The history of deletions.',
  gateway: 'The gateway itself.',
};

/** The named parameters of the document. */
export const PATH_PARAMETERS = { id: inPath('id', 'The id of an image, which belongs to one region.', imageIdSchema) };
const IMAGE = { $ref: '#/components/parameters/id' };

const PUBLIC: readonly Stage[] = ['any', 'transport', 'routing'];
const CALLER: readonly Stage[] = ['any', 'transport', 'admission'];

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: '/images/{id}',
    id: 'previewImage',
    tag: 'images',
    summary: 'Describe an image, and say whether the caller could delete it now. Needs images:read.',
    description: 'Asks Baidu and changes nothing. Reserves nothing, so a later deletion can still fail.',
    parameters: [IMAGE],
    stages: [...CALLER, 'permission', 'image', 'upstream'],
    success: { description: 'The image, and what blocks its deletion.', body: 'Image' },
  },
  {
    method: 'delete',
    path: '/images/{id}',
    id: 'deleteImage',
    tag: 'images',
    summary: 'Delete a custom image. It cannot be recovered. Needs images:delete.',
    description:
      'One deletion of an image runs at a time; another gets deletion_in_progress. If the outcome is unknown, do not delete again: query the URL in `deletion`, where the final outcome will appear. If a request is sent again (same caller, image and X-Request-Id) after it has deleted the image, it gets the same 200.',
    parameters: [IMAGE, ...inQuery(DELETION_PARAMETERS)],
    stages: [...CALLER, 'permission', 'image', 'upstream', 'ledger', 'deletion'],
    success: { description: 'The image is gone.', body: 'Deletion' },
  },
  {
    method: 'get',
    path: '/deletions',
    id: 'listDeletions',
    tag: 'deletions',
    summary: 'List deletions, newest first. The Link header leads to the next page.',
    description: "A caller sees its own deletions, and with deletions:read everyone's.",
    parameters: inQuery(HISTORY_PARAMETERS),
    stages: [...CALLER, 'permission', 'ledger'],
    success: { description: 'One page.', body: 'HistoryPage', headers: ['Link'] },
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    tag: 'gateway',
    summary: 'Counters and budgets in the Prometheus text format 0.0.4. Needs metrics:read.',
    description: 'They come from the ledger, so they cover all Cloudflare locations.',
    stages: [...CALLER, 'permission', 'ledger'],
    success: { description: 'The metrics.', types: { [METRICS_CONTENT_TYPE]: { type: 'string' } } },
  },
  {
    method: 'get',
    path: '/healthz',
    id: 'healthz',
    tag: 'gateway',
    summary: 'Check that the Worker runs.',
    description:
      'Needs no credential, and works over plain http, too. Says nothing about configuration, ledger or Baidu.',
    stages: ['any'],
    success: { description: 'It runs.', body: 'Health' },
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readyz',
    tag: 'gateway',
    summary: 'Check that the configuration is valid, or see what is wrong.',
    description:
      'With `upstream=true`, also checks the credential at Baidu, with reads only. An absent `control` is not a failure: the status stays 200.',
    parameters: inQuery(READINESS_PARAMETERS),
    stages: [...CALLER, 'upstream'],
    success: { description: 'It is valid.', body: 'Readiness' },
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openapi',
    tag: 'gateway',
    summary: 'Get this document.',
    description: 'Its server and examples have the origin of the request.',
    stages: PUBLIC,
    success: {
      description: 'The document.',
      types: { 'application/json': { type: 'object', additionalProperties: true } },
    },
  },
  {
    method: 'get',
    path: '/docs',
    id: 'docs',
    tag: 'gateway',
    summary: 'Show this document as a web page.',
    description: 'Read operations can be tried out there, deletions cannot.',
    stages: PUBLIC,
    success: pageOf('The page.', CONTENT_TYPES.html),
  },
  {
    method: 'get',
    path: '/console',
    id: 'console',
    tag: 'gateway',
    summary: 'Show history, budgets and readiness on a web page, which changes nothing.',
    description: 'The page itself holds no data. It reads with the key or token entered there.',
    stages: PUBLIC,
    success: pageOf('The page.', CONTENT_TYPES.html),
  },
  {
    method: 'get',
    path: `${FILES_PATH}/{file}`,
    id: 'pageFile',
    tag: 'gateway',
    summary: 'Get a style or script of the pages.',
    description: 'Only the pages need these files. Their names may change in any release.',
    parameters: [inPath('file', 'The name of the file.', { type: 'string' })],
    stages: PUBLIC,
    success: pageOf('The file.', CONTENT_TYPES.css, CONTENT_TYPES.js),
  },
  {
    method: 'get',
    path: `${PROBLEMS_PATH}/{code}`,
    id: 'explainProblem',
    tag: 'gateway',
    summary: 'Explain a problem code, and what to do.',
    description: 'The `type` of every problem leads here.',
    parameters: [inPath('code', 'The code of a problem.', schema('ProblemCode'))],
    stages: PUBLIC,
    success: { description: 'The explanation.', body: 'Explanation' },
  },
];

function inPath(name: string, description: string, schema: OpenAPIV3_1.ParameterObject['schema']) {
  return { name, in: 'path', required: true, description, ...(schema && { schema }) };
}

function inQuery(names: readonly ParameterName[]): OpenAPIV3_1.ParameterObject[] {
  return names.map((name) => {
    const { description, schema } = PARAMETERS[name];
    return { name, in: 'query', description, schema };
  });
}

function pageOf(description: string, ...types: readonly string[]): Success {
  return {
    description,
    types: Object.fromEntries(types.map((type) => [type, { type: 'string' }])),
    headers: Object.keys(PAGE_HEADERS),
  };
}
