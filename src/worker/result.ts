/** A value, or the failure in its place. */
export type Result<T, F> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: F };

export function ok<const T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function failed<const F>(failure: F): { readonly ok: false; readonly failure: F } {
  return { ok: false, failure };
}
