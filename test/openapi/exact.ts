/**
 * The types generated from the document equal those of the code. An additional or missing name, member, value or `null` does
 * not compile. Types only.
 */
import type { Bodies } from '../../src/openapi/schemas.ts';
import type { components, operations } from './generated.ts';

/** `true` if the types are the same, not only assignable to each other. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** The names of members that differ. */
type Different<A, B> = {
  [N in keyof A | keyof B]: N extends keyof A & keyof B ? (Equal<A[N], B[N]> extends true ? never : N) : N;
}[keyof A | keyof B];
type Nothing<Found extends never> = Found;

export type Schemas = Nothing<Different<components['schemas'], Bodies>>;

type ContentOf<Response> = Response extends { readonly content: infer Content } ? Content[keyof Content] : never;
type SuccessOf<Operation> = Operation extends { readonly responses: { readonly 200: infer Response } }
  ? ContentOf<Response>
  : never;
type FailuresOf<Operation> = Operation extends { readonly responses: infer Responses }
  ? ContentOf<Responses[Exclude<keyof Responses, 200>]>
  : never;
type QueryOf<Operation> = Operation extends { readonly parameters: { readonly query?: infer Query } } ? Query : never;

export type Successes = Nothing<
  Different<
    { readonly [Id in keyof operations]: SuccessOf<operations[Id]> },
    {
      readonly previewImage: Bodies['Image'];
      readonly deleteImage: Bodies['Deletion'];
      readonly listDeletions: Bodies['HistoryPage'];
      readonly healthz: Bodies['Health'];
      readonly metrics: string;
      readonly readyz: Bodies['Readiness'];
      readonly openapi: { readonly [name: string]: unknown };
      readonly docs: string;
      readonly console: string;
      readonly pageFile: string;
      readonly explainProblem: Bodies['Explanation'];
    }
  >
>;

export type Failures = Nothing<
  Different<
    { readonly [Id in keyof operations]: FailuresOf<operations[Id]> },
    { readonly [Id in keyof operations]: Bodies['Problem'] }
  >
>;

export type Query = Nothing<
  Different<
    { readonly [Id in 'deleteImage' | 'readyz' | 'listDeletions']: QueryOf<operations[Id]> },
    {
      readonly deleteImage: { readonly allowMissing?: boolean; readonly expectName?: string };
      readonly readyz: { readonly upstream?: boolean };
      readonly listDeletions: {
        readonly caller?: string;
        readonly imageId?: string;
        readonly requestId?: string;
        readonly outcome?: Bodies['HistoryRow']['outcome'];
        readonly since?: string;
        readonly until?: string;
        readonly limit?: number;
        readonly cursor?: string;
      };
    }
  >
>;
