/** What is taken from an answer. What it means is tested in `verdict.test.ts`. */
import { describe, expect, it } from 'vitest';
import { parseHttpDate, readAnswer } from '../../../src/worker/baidu/answer.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const SECRET = 'the-secret';
const scrub = (text: string) => text.replaceAll(SECRET, '[scrubbed]');
const read = (response: Response, signal = new AbortController().signal) => readAnswer(response, signal, NOW_MS, scrub);
const json = (value: unknown, headers: HeadersInit = {}) => read(Response.json(value, { headers }));
const bytes = (text: string) => new TextEncoder().encode(text);

/** A body in pieces, and whether its reader cancelled it before the end. */
function inPieces(pieces: Uint8Array[]) {
  const seen = { cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: () => {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { response: new Response(body), seen };
}

describe('the body of an answer', () => {
  it.each<[string, BodyInit | null, object]>([
    ['empty if there is none', null, { kind: 'empty' }],
    ['empty if it has no bytes', '', { kind: 'empty' }],
    ['empty if it is white space', ' \r\n', { kind: 'empty' }],
    ['JSON', '{"a":[1]}', { kind: 'json', value: { a: [1] } }],
    ['JSON after a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), { kind: 'json', value: {} }],
    ['garbled if it is cut JSON', '{"a":', { kind: 'garbled' }],
    ['garbled if it is HTML', '<html></html>', { kind: 'garbled' }],
    ['garbled if it is not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), { kind: 'garbled' }],
  ])('is read as %s', async (_what, body, expected) => expect((await read(new Response(body))).body).toEqual(expected));

  it('may arrive in pieces that split a character', async () => {
    const { response } = inPieces([...bytes('{"name":"镜像"}')].map((byte) => new Uint8Array([byte])));
    expect((await read(response)).body).toEqual({ kind: 'json', value: { name: '镜像' } });
  });

  it('is read up to 64 KiB and then cancelled', async () => {
    const text = JSON.stringify('x'.repeat(64 * 1024 - 2));
    expect((await read(new Response(text))).body.kind).toBe('json');
    const longer = inPieces([bytes(text), bytes(' '), bytes(' ')]);
    expect((await read(longer.response)).body).toEqual({ kind: 'garbled' });
    expect(longer.seen.cancelled).toBe(true);
  });

  it('is reported as broken if it breaks off', async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error('reset')) });
    expect((await read(new Response(body))).body).toEqual({ kind: 'broken' });
  });

  it('is reported as stalled if the read is aborted, and the status is still known', async () => {
    const controller = new AbortController();
    const body = new ReadableStream({
      start: (stream) => controller.signal.addEventListener('abort', () => stream.error(controller.signal.reason)),
    });
    const reading = read(new Response(body, { status: 409 }), controller.signal);
    controller.abort();
    expect(await reading).toMatchObject({ status: 409, body: { kind: 'stalled' } });
  });
});

describe('an answer', () => {
  it.each(['code', 'message', 'error', 'errors', 'errorCode', 'success'])(
    'mentions an error if its body has the member %s',
    async (member) => expect((await json({ [member]: null })).mentionsError).toBe(true),
  );

  it.each(['x-bce-error-code', 'x-bce-error-message'])('mentions an error if it has the header %s', async (name) =>
    expect((await json({}, { [name]: '?' })).mentionsError).toBe(true),
  );

  it('mentions no error otherwise', async () => expect((await json({ requestId: 'r' })).mentionsError).toBe(false));
});

describe('the codes of an answer', () => {
  it.each([
    'NoSuchObject',
    'Image.ImageHasBeenSharedToOthers',
    'IMAGE_NOT_FOUND',
    'SECURITYGROUP_INUSE',
    'Image.IMAGE_INUSE',
    'Http404',
    'A',
    'A'.repeat(40),
    'A.B.C.D',
  ])('are %s, from the header or the body', async (code) => {
    expect(await json({ code })).toMatchObject({ codes: [code], hasMalformedCode: false });
    expect(await json({}, { 'x-bce-error-code': code })).toMatchObject({ codes: [code], hasMalformedCode: false });
  });

  it('are one if header and body have the same', async () =>
    expect((await json({ code: 'A' }, { 'x-bce-error-code': 'A' })).codes).toEqual(['A']));

  it('are two if header and body differ, with that of the header first', async () =>
    expect((await json({ code: 'A' }, { 'x-bce-error-code': 'B' })).codes).toEqual(['B', 'A']));

  it('are empty if the answer has no codes', async () =>
    expect(await json({ message: 'x' })).toMatchObject({ codes: [], hasMalformedCode: false }));

  const malformed = [
    '',
    '1A',
    '_A',
    'A B',
    'A-B',
    'A.',
    '.A',
    'A..B',
    'A\n',
    'A.B.C.D.E',
    403,
    ['A'],
    null,
    {},
    SECRET,
  ];
  it.each(malformed.map((code) => ({ code })))('are never $code', async ({ code }) =>
    expect(await json({ code })).toMatchObject({ codes: [], hasMalformedCode: true }),
  );

  it.each([
    ['a word of 41 characters', 'A'.repeat(41)],
    ['a word of 41 characters after a dot', `Image.${'A'.repeat(41)}`],
    ['a signature', '0f'.repeat(32)],
    ['the beginning of a signature', 'f0'.repeat(10)],
    ['an access key id', 'ALTAKq8Zt2Wm5Rv7Xb1'],
    ["a caller's key", 'bcg_4N1mT0bYw5g0yJmJc2u8VdE6r9aXq3Lk7sZtHhPfWiQ'],
    ["a part of a caller's key", 'bcg_4N1mT0bYw5g0y'],
  ])('are never %s', async (_what, code) => {
    expect(await json({ code })).toMatchObject({ codes: [], hasMalformedCode: true });
    expect(await json({ code: 'A' }, { 'x-bce-error-code': code })).toMatchObject({
      codes: ['A'],
      hasMalformedCode: true,
    });
  });
});

describe('the request id of an answer', () => {
  it.each([
    ['1c855160-89ba-45b9-8b0c-7a4d1a6b6a0d', true],
    ['a'.repeat(40), true],
    ['a'.repeat(41), false],
    ['a b', false],
    [`${'a'.repeat(40)}/`, false],
    ['/a', false],
    [SECRET, false],
  ])('that is %j is accepted: %s', async (id, isOne) => {
    const inHeader = await json({}, { 'x-bce-request-id': id });
    expect([inHeader.requestId, inHeader.isFromBaidu]).toEqual([isOne ? id : undefined, isOne]);
    const inBody = await json({ requestId: id });
    expect([inBody.requestId, inBody.isFromBaidu]).toEqual([isOne ? id : undefined, false]);
  });

  it('is taken from the header before the body', async () => {
    expect((await json({ requestId: 'body' }, { 'x-bce-request-id': 'header' })).requestId).toBe('header');
  });
});

describe('the message of an answer', () => {
  const signature = 'f'.repeat(40) + '0'.repeat(24);
  it.each([
    ['Image m-nky7qeom is shared.', 'Image m-nky7qeom is shared.'],
    ['IamSignatureInvalid, cause: Fail to authn user', 'IamSignatureInvalid, cause: Fail to authn user'],
    ['UnCustomImageCannotBeDeletedByAnybody', 'UnCustomImageCannotBeDeletedByAnybody'],
    [`with ${SECRET}!`, 'with [scrubbed]!'],
    [`expected ${signature}, got`, 'expected [scrubbed], got'],
    [`bce-auth-v1/ak/x/300/host/${signature} is wrong`, '[scrubbed] is wrong'],
    ['key 0123456789abcdef', 'key [scrubbed]'],
    ['key abcdef-0-ghijklmn.', 'key [scrubbed].'],
    ['key 0123456789abcde', 'key 0123456789abcde'],
    ['a'.repeat(40), 'a'.repeat(40)],
    ['a'.repeat(41), '[scrubbed]'],
    [`${'a.'.repeat(20)}aa`, '[scrubbed]'],
    ['a\r\n\u0000b', 'a b'],
    ['x '.repeat(150), 'x '.repeat(100)],
  ])('that reads %j is logged as %j', async (message, expected) =>
    expect((await json({ message })).message).toBe(expected),
  );

  it('is taken from the header before the body, and only if it is text', async () => {
    expect((await json({ message: 'body' }, { 'x-bce-error-message': 'header' })).message).toBe('header');
    expect((await json({ message: { text: 'x' } })).message).toBeUndefined();
  });
});

describe('a Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120],
    ['Tue, 24 Nov 2026 00:01:30 GMT', 90],
    ['Mon, 23 Nov 2026 23:59:59 GMT', 0],
  ])('of %s means %i seconds', async (value, seconds) =>
    expect((await json({}, { 'retry-after': value })).retryAfterS).toBe(seconds),
  );

  it.each(['1.5', '-1', '1234567890', 'soon'])('of %s is ignored', async (value) =>
    expect((await json({}, { 'retry-after': value })).retryAfterS).toBeUndefined(),
  );
});

describe('an HTTP date', () => {
  it.each([
    ['Tue, 24 Nov 2026 00:00:00 GMT', NOW_MS],
    ['Tuesday, 24-Nov-26 00:00:00 GMT', undefined],
    ['Tue, 31 Feb 2026 00:00:00 GMT', undefined],
    ['2026-11-24T00:00:00.000Z', undefined],
    [null, undefined],
  ])('of %s is read as %s', (value, timeMs) => expect(parseHttpDate(value)).toBe(timeMs));
});
