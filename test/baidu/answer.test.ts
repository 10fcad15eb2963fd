/** What is let through of an answer, by itself. What is made of it is in `verdict.test.ts`. */
import { describe, expect, it } from 'vitest';
import { readAnswer } from '../../src/baidu/answer.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const SECRET = 'the-secret';
const read = (response: Response) => readAnswer(response, NOW_MS, (text) => text.replaceAll(SECRET, '[scrubbed]'));
const json = (value: unknown, headers: HeadersInit = {}) => read(Response.json(value, { headers }));
const bytes = (text: string) => new TextEncoder().encode(text);

/** A body in pieces, and whether its reader hung up before the end. */
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

describe('the body', () => {
  it.each<[string, BodyInit | null, object]>([
    ['none', null, { kind: 'empty' }],
    ['of no bytes', '', { kind: 'empty' }],
    ['of white space', ' \r\n', { kind: 'empty' }],
    ['JSON', '{"a":[1]}', { kind: 'json', value: { a: [1] } }],
    ['JSON after a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), { kind: 'json', value: {} }],
    ['cut JSON', '{"a":', { kind: 'garbled' }],
    ['a page', '<html></html>', { kind: 'garbled' }],
    ['JSON with bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), { kind: 'garbled' }],
  ])('%s', async (_what, body, expected) => expect((await read(new Response(body))).body).toEqual(expected));

  it('may be cut anywhere by the network, in the middle of a character too', async () => {
    const { response } = inPieces([...bytes('{"name":"镜像"}')].map((byte) => new Uint8Array([byte])));
    expect((await read(response)).body).toEqual({ kind: 'json', value: { name: '镜像' } });
  });

  it('is read to 64 KiB and not a byte further, and the rest is given up', async () => {
    const text = JSON.stringify('x'.repeat(64 * 1024 - 2));
    expect((await read(new Response(text))).body.kind).toBe('json');
    const longer = inPieces([bytes(text), bytes(' '), bytes(' ')]);
    expect((await read(longer.response)).body).toEqual({ kind: 'garbled' });
    expect(longer.seen.cancelled).toBe(true);
  });

  it('that breaks off says so', async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error('reset')) });
    expect((await read(new Response(body))).body).toEqual({ kind: 'broken' });
  });
});

describe('what speaks of an error', () => {
  it.each(['code', 'message', 'error', 'errors', 'errorCode', 'success'])('the member %s alone', async (member) =>
    expect((await json({ [member]: null })).mentionsError).toBe(true),
  );

  it.each(['x-bce-error-code', 'x-bce-error-message'])('the header %s alone', async (name) =>
    expect((await json({}, { [name]: '?' })).mentionsError).toBe(true),
  );

  it('nothing else', async () => expect((await json({ requestId: 'r' })).mentionsError).toBe(false));
});

describe('code and request id', () => {
  it.each(['NoSuchObject', 'Image.ImageHasBeenSharedToOthers', 'A'])(
    '%s is a code, in the header before the body',
    async (code) => {
      expect((await json({ code })).code).toBe(code);
      expect((await json({ code: 'Other' }, { 'x-bce-error-code': code })).code).toBe(code);
    },
  );

  it.each(['', '1A', 'A_B', 'A B', 'A.', '.A', 'A\n', 'A'.repeat(41), 'A.B.C.D.E', 403, ['A'], null])(
    '%j is none',
    async (code) => expect((await json({ code })).code).toBeUndefined(),
  );

  it.each([
    ['1c855160-89ba-45b9-8b0c-7a4d1a6b6a0d', true],
    ['a'.repeat(40), true],
    ['a'.repeat(41), false],
    ['a b', false],
    [`${'a'.repeat(40)}/`, false],
    ['/a', false],
    [SECRET, false],
  ])('%j is a request id: %s', async (id, isOne) => {
    const inHeader = await json({}, { 'x-bce-request-id': id });
    expect([inHeader.requestId, inHeader.isFromBaidu]).toEqual([isOne ? id : undefined, isOne]);
    const inBody = await json({ requestId: id });
    expect([inBody.requestId, inBody.isFromBaidu]).toEqual([isOne ? id : undefined, false]);
  });

  it('the header comes first', async () => {
    expect((await json({ requestId: 'body' }, { 'x-bce-request-id': 'header' })).requestId).toBe('header');
  });
});

describe('the message', () => {
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
    [`${'a.'.repeat(20)}aa`, '[scrubbed]'],
    ['a\r\n\u0000b', 'a b'],
    ['x '.repeat(150), 'x '.repeat(100)],
  ])('%j reaches the log as %j', async (message, expected) => expect((await json({ message })).message).toBe(expected));

  it('is that of the header before that of the body, and nothing that is no text', async () => {
    expect((await json({ message: 'body' }, { 'x-bce-error-message': 'header' })).message).toBe('header');
    expect((await json({ message: { text: 'x' } })).message).toBeUndefined();
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120],
    ['Tue, 24 Nov 2026 00:01:30 GMT', 90],
    ['Mon, 23 Nov 2026 23:59:59 GMT', 0],
    ['1.5', undefined],
    ['-1', undefined],
    ['1234567890', undefined],
    ['soon', undefined],
  ])('%s is %s seconds', async (value, seconds) =>
    expect((await json({}, { 'retry-after': value })).retryAfterS).toBe(seconds),
  );
});
