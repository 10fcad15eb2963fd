/** The named schemas of the document: those of the bodies, with today's problem codes. */
import type { OpenAPIV3_1 } from 'openapi-types';
import { PROBLEM_CODES, PROBLEMS } from '../worker/problems/failure.ts';
import { BODIES } from './bodies.ts';
import type { Schema, TypeOf } from './shape.ts';

/** The type of each body, by its name in the document. */
export type Bodies = { readonly [N in keyof typeof BODIES]: TypeOf<(typeof BODIES)[N]> };

/** A reference to a named schema. */
export function schema(name: keyof Bodies): OpenAPIV3_1.ReferenceObject {
  return { $ref: `#/components/schemas/${name}` };
}

export const schemas: Readonly<Record<string, Schema>> = {
  ...Object.fromEntries(Object.entries(BODIES).map(([name, { definition }]) => [name, definition])),
  ProblemCode: {
    type: 'string',
    enum: PROBLEM_CODES,
    description: 'A later version may have more codes.',
    // Generators that support this extension document each value.
    'x-enum-descriptions': PROBLEM_CODES.map((code) => PROBLEMS[code].title),
  },
};
