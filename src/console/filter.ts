/** What the fields of the history ask for. Promises: blanks around a value do not count; a time that is none is an error. */
import type { DeletionsFilter } from '../client/index.ts';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import { utcOf } from './shown.ts';

/** A field has a time that is none. */
export class FilterError extends Error {}

/** `read` gives a field's value by its name. @throws FilterError */
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
