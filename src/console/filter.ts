/** The filter in the history's fields. Promises: ignores spaces around a value; an invalid time is an error. */
import type { DeletionsFilter } from '../client/index.ts';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import { utcOf } from './shown.ts';

/** A field has an invalid time. */
export class FilterError extends Error {}

/** `read` returns a field's value by its name. @throws FilterError */
export function filterOf(read: (name: string) => string): DeletionsFilter {
  const text = (name: string) => read(name).trim();
  const [since, until] = [utcOf(text('since')), utcOf(text('until'))];
  if (since === null || until === null) throw new FilterError();
  const given = { caller: text('caller'), imageId: text('imageId'), requestId: text('requestId') };
  const outcome = ROW_OUTCOMES.find((known) => known === text('outcome'));
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
    ...(outcome && { outcome }),
    ...(since && { since }),
    ...(until && { until }),
  };
}
