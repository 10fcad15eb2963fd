/** What a check has found, and how it is reported. */

const LEVELS = ['fault', 'warning', 'note'] as const;

/** A fault would break the deployment. A warning is about what else goes wrong. A note is for those who did not mean it. */
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

/** One line for each, the worst first. */
export function reportOf(findings: readonly Finding[]): string {
  const sorted = LEVELS.flatMap((level) => findings.filter((finding) => finding.level === level));
  return sorted.map(({ level, text }) => `${level.padEnd(7)}  ${text}\n`).join('');
}
