/**
 * The operations of the gateway: one row for each, from which the document makes parameters, security and all responses.
 *
 * Promises: the stages of an operation are those that its route passes in `app.ts`; one test provokes each failure that follows from
 * them, and every other test rejects a failure that does not.
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
  /** Clients are generated from these names. */
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly (OpenAPIV3_1.ParameterObject | OpenAPIV3_1.ReferenceObject)[];
  readonly stages: readonly Stage[];
  readonly success: Success;
}

/** The 200: a named body in JSON, or something else in one of these media types. */
export interface Success {
  readonly description: string;
  readonly body?: keyof typeof EXAMPLES;
  readonly types?: Readonly<Record<string, Schema>>;
  /** Headers beside those of every answer. */
  readonly headers?: readonly string[];
}

export const TAGS = {
  images: 'Look at an image, and delete it.',
  deletions: 'What was deleted.',
  gateway: 'The gateway itself.',
};

/** The parameters that have a name of their own. */
export const PATH_PARAMETERS = { id: inPath('id', 'It belongs to one region.', imageIdSchema) };
const IMAGE = { $ref: '#/components/parameters/id' };

const PUBLIC: readonly Stage[] = ['any', 'transport', 'routing'];
const CALLER: readonly Stage[] = ['any', 'transport', 'admission'];

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: '/images/{id}',
    id: 'previewImage',
    tag: 'images',
    summary: 'What an image is, and whether the caller could delete it now. Needs images:read.',
    description: 'It asks Baidu and changes nothing. It reserves nothing: a deletion afterwards can still fail.',
    parameters: [IMAGE],
    stages: [...CALLER, 'permission', 'image', 'upstream'],
    success: { description: 'The image, and what stands in the way of its deletion.', body: 'Image' },
  },
  {
    method: 'delete',
    path: '/images/{id}',
    id: 'deleteImage',
    tag: 'images',
    summary: 'Delete a custom image. It cannot be recovered. Needs images:delete.',
    description:
      'One deletion of an image runs at a time; another gets deletion_in_progress. If the outcome is unknown, do not delete again: ask under `deletion`, where the final outcome will appear. The same request again (same caller, image and X-Request-Id) gets the 200 of the first if that one deleted the image.',
    parameters: [IMAGE, ...inQuery(DELETION_PARAMETERS)],
    stages: [...CALLER, 'permission', 'image', 'upstream', 'ledger', 'deletion'],
    success: { description: 'The image is gone.', body: 'Deletion' },
  },
  {
    method: 'get',
    path: '/deletions',
    id: 'listDeletions',
    tag: 'deletions',
    summary: 'The history of deletions, newest first, with the next page in the Link header.',
    description: 'A caller sees its own deletions. With deletions:read it sees those of all callers.',
    parameters: inQuery(HISTORY_PARAMETERS),
    stages: [...CALLER, 'permission', 'ledger'],
    success: { description: 'One page.', body: 'HistoryPage', headers: ['Link'] },
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    tag: 'gateway',
    summary: 'Counts and budgets for Prometheus, in its text format 0.0.4. Needs metrics:read.',
    description: 'They come from the ledger, so they are those of all locations together.',
    stages: [...CALLER, 'permission', 'ledger'],
    success: { description: 'The metrics.', types: { [METRICS_CONTENT_TYPE]: { type: 'string' } } },
  },
  {
    method: 'get',
    path: '/healthz',
    id: 'healthz',
    tag: 'gateway',
    summary: 'Whether the Worker runs.',
    description:
      'It needs no credential and answers over plain http, too. It says nothing about configuration, ledger or Baidu.',
    stages: ['any'],
    success: { description: 'It runs.', body: 'Health' },
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readyz',
    tag: 'gateway',
    summary: 'Whether the configuration is valid, and if not, what is wrong.',
    description:
      'With `upstream=true` it also checks the credential at Baidu, by reads alone. An absent `control` is no failure: the status stays 200.',
    parameters: inQuery(READINESS_PARAMETERS),
    stages: [...CALLER, 'upstream'],
    success: { description: 'It is valid.', body: 'Readiness' },
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openapi',
    tag: 'gateway',
    summary: 'This document.',
    description: 'Its server and its examples have the origin that the request was sent to.',
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
    summary: 'This document as a page for people.',
    description: 'Operations that read can be tried out there. A deletion cannot.',
    stages: PUBLIC,
    success: pageOf('The page.', CONTENT_TYPES.html),
  },
  {
    method: 'get',
    path: '/console',
    id: 'console',
    tag: 'gateway',
    summary: 'A page that shows history, budgets and readiness, and changes nothing.',
    description: 'It holds no data. It reads with the key or token that a person enters there.',
    stages: PUBLIC,
    success: pageOf('The page.', CONTENT_TYPES.html),
  },
  {
    method: 'get',
    path: `${FILES_PATH}/{file}`,
    id: 'pageFile',
    tag: 'gateway',
    summary: 'Style and script of the pages.',
    description: 'Only the pages need them. Their names may change with any release.',
    parameters: [inPath('file', 'Its name.', { type: 'string' })],
    stages: PUBLIC,
    success: pageOf('The file.', CONTENT_TYPES.css, CONTENT_TYPES.js),
  },
  {
    method: 'get',
    path: `${PROBLEMS_PATH}/{code}`,
    id: 'explainProblem',
    tag: 'gateway',
    summary: 'What the code of a problem means, and what to do.',
    description: 'The `type` of every problem leads here.',
    parameters: [inPath('code', 'Of a problem.', schema('ProblemCode'))],
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
