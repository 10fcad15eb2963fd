/**
 * A file with secrets, in one of two forms: strings by name, as Wrangler takes it, or the table of callers by part.
 *
 * Promises: a fault is reported by the name of the secret, or by its position if the name may be anything. Never: repeats a value.
 */
import { isRecord, parseJson } from '../worker/json.ts';
import { isPartName, KEY_ADVICE, PART_RULE, placeOfKey } from './callers-file.ts';
import { membersOf } from './json-text.ts';

export interface Secret {
  readonly name: string;
  /** The value, or the text of the part as the file has it, repetitions and all. */
  readonly value: string;
  /** Bytes of what is uploaded. */
  readonly bytes: number;
}

export interface SecretsFile {
  readonly secrets: readonly Secret[];
  /** Whether it is in the form that holds credentials. */
  readonly isConfidential: boolean;
  readonly problems: readonly string[];
}

/** What a name looks like that may be shown. A value in a name's place hardly does. */
const NAME = /^[A-Z]+(?:_[A-Z]+)*(?:_\d{1,3})?$/;

/** `PROTECTED_IMAGE`, or `member 3` for a name that may be a value. */
export function shownName(name: string, index: number): string {
  return NAME.test(name) || isPartName(name) ? name : `member ${index + 1}`;
}

export function readSecretsFile(text: string): SecretsFile {
  const members = membersOf(text);
  if (!members.ok) return { secrets: [], isConfidential: true, problems: [members.failure] };
  const values = members.value.map(({ json }) => parseJson(json));
  const isTable = values.length > 0 && values.every(isRecord);
  const problems: string[] = [];
  const keyPlace = placeOfKey(text);
  if (keyPlace !== null) problems.push(`holds a key (${keyPlace}): ${KEY_ADVICE}`);
  const secrets = members.value.flatMap(({ name, json }, index): Secret[] => {
    const value = values[index];
    const shown = shownName(name, index);
    if (isTable && !isPartName(name)) problems.push(`has the part ${shown}, whose name must be ${PART_RULE}`);
    if (isTable) return [{ name, value: json, bytes: Buffer.byteLength(JSON.stringify(value)) }];
    if (typeof value === 'string') return [{ name, value, bytes: Buffer.byteLength(value) }];
    problems.push(`has ${shown}, which is not a string`);
    return [];
  });
  return { secrets, isConfidential: !isTable, problems };
}
