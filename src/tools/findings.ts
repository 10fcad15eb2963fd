/** The findings of a check, and how they are printed. */

const LEVELS = ['fault', 'warning', 'note'] as const;

/** A fault would break the deployment. A warning is a likely mistake. A note is something that may be intended. */
export interface Finding {
  readonly level: (typeof LEVELS)[number];
  readonly text: string;
}

export const fault = (text: string): Finding => ({ level: 'fault', text });
export const warning = (text: string): Finding => ({ level: 'warning', text });
export const note = (text: string): Finding => ({ level: 'note', text });

export function isFaulty(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'fault');
}

/** One line per finding, the worst first. */
export function reportOf(findings: readonly Finding[]): string {
  const sorted = LEVELS.flatMap((level) => findings.filter((finding) => finding.level === level));
  return sorted.map(({ level, text }) => `${level.padEnd(7)}  ${text}\n`).join('');
}
