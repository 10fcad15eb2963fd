/** The lines of the operator's log. */
import type { Severity } from './outcome.ts';
import type { Runtime } from './runtime.ts';

/** What every line of the log has. Each kind of line has its own further fields, which its own interface lists. */
export interface LogLine {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly severity_text: Severity;
  readonly 'event.name': string;
}

/** Writes one JSON line, at the severity that it names. */
export function logLine<L extends LogLine>(log: Runtime['log'], line: L): void {
  log(line.severity_text, JSON.stringify(line));
}
