/**
 * A shape defines a value's form once: as JSON Schema (2020-12) for the document, and as a guard for the client.
 *
 * Promises: a shape of `T` has exactly the members of `T`: a missing or extra member or a forgotten `null` does not compile. A guard checks
 * each member's type and closed set, and ignores unknown members, because a newer gateway may add some. Other keywords of a schema only
 * describe today's responses. Never: imports anything, because the client's package includes this file.
 */
export type Schema = Readonly<Record<string, unknown>>;

export interface Shape<T> {
  readonly schema: Schema;
  readonly is: (value: unknown) => value is T;
  /** Never set. Without it the compiler would accept a shape of `string` for `string | null`. */
  readonly exactly?: (value: T) => T;
}
/** A shape with a name in the document. Its `schema` refers to the definition. */
export interface Named<T> extends Shape<T> {
  readonly definition: Schema;
}
interface Optional<T> extends Shape<T> {
  readonly isOptional: true;
}
export type TypeOf<S> = S extends Shape<infer T> ? T : never;

type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];
type Members<T> = {
  readonly [K in keyof T]-?: K extends OptionalKeys<T> ? Optional<Exclude<T[K], undefined>> : Shape<T[K]>;
};
type Member = { readonly schema: Schema; readonly is: (value: unknown) => boolean; readonly isOptional?: true };

function shape<T>(schema: Schema, test: (value: unknown) => boolean): Shape<T> {
  return { schema, is: (value): value is T => test(value) };
}

export const text = shape<string>({ type: 'string' }, (value) => typeof value === 'string');
export const integer = shape<number>({ type: 'integer' }, Number.isInteger);
export const boolean = shape<boolean>({ type: 'boolean' }, (value) => typeof value === 'boolean');
export const dateTime = shape<string>(
  { type: 'string', format: 'date-time' },
  (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
);

/** One of a closed set of words. */
export function oneOf<const W extends string>(words: readonly W[]): Shape<W> {
  return shape({ type: 'string', enum: words }, (value) => words.some((word) => word === value));
}

/** One of a set of words to which a newer gateway may add: accepts any word of this form. */
export function openSet<W extends string>(words: readonly W[], form: RegExp): Shape<W> {
  return shape({ type: 'string', enum: words }, (value) => typeof value === 'string' && form.test(value));
}

export function nullable<T>({ schema: { type, enum: words, ...rest }, is }: Shape<T>): Shape<T | null> {
  const closed = Array.isArray(words) ? { enum: [...words, null] } : {};
  return shape({ ...rest, type: [type, 'null'], ...closed }, (value) => value === null || is(value));
}

export function list<T>({ schema, is }: Shape<T>): Shape<readonly T[]> {
  return shape({ type: 'array', items: schema }, (value) => Array.isArray(value) && value.every(is));
}

/** A member that may be absent. */
export function optional<T>(shape: Shape<T>): Optional<T> {
  return { ...shape, isOptional: true };
}

/** The shape with a description and further keywords, which the guard does not check. */
export function described<T>({ schema, is }: Shape<T>, description: string, more: Schema = {}): Shape<T> {
  return { schema: { ...schema, ...more, description }, is };
}

export function object<T>(members: Members<T>): Shape<T> {
  const entries = Object.entries<Member>(members);
  return shape(
    {
      type: 'object',
      required: entries.filter(([, { isOptional }]) => isOptional !== true).map(([name]) => name),
      properties: Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])),
    },
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      entries.every(([name, { is, isOptional }]) => {
        const member: unknown = Reflect.get(value, name);
        return (isOptional === true && member === undefined) || is(member);
      }),
  );
}

/** An object with a name in the document. */
export function body<T>(name: string, members: Members<T>): Named<T> {
  return named(name, object(members));
}

/** The shape with a name in the document. */
export function named<T>(name: string, { schema, is }: Shape<T>): Named<T> {
  return { schema: { $ref: `#/components/schemas/${name}` }, definition: schema, is };
}
