/** Whether parsed JSON is an object, and not a list or `null`. The first question to any outside data. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
