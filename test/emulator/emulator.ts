/**
 * Emulates `bcc.bj.baidubce.com`: its image calls and responses, and on demand its faults.
 *
 * Promises: does nothing for an unsigned call, and records every call and whether it deleted an image. Never: is more lenient than
 * the real server.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE), /ajwvynv78 (GET),
 * /hjwvynvw4 (sharedUsers), /Ojwvyo6nc (errors).
 */
import { type Account, refusal } from './bce-auth.ts';
import { catalogue, type Image, imageModel } from './catalogue.ts';

export interface Call {
  method: string;
  path: string;
  authorization: string;
  /** What was returned: Baidu's code, `ok`, or the name of the fault. */
  answer: string;
  deleted: boolean;
  /** When it arrived, in milliseconds since the epoch, without `clockOffsetMs`. */
  atMs: number;
}

/** A way in which a call fails. `deletes`: whether the image is deleted first. */
export interface Fault {
  deletes: boolean | 'later';
  /** `drop` ends the connection without an answer; `hang` never answers. */
  answer: 'drop' | 'hang' | 'normal' | ((requestId: string) => Response);
  /** Milliseconds before the answer. */
  delayMs?: number;
}

/** How long a deletion takes that continues after its connection is lost. */
export const LATER_MS = 2_000;

const html = '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>';
const asHtml = { 'content-type': 'text/html' };

/** Every fault, by name. */
export const FAULTS = {
  slow: { deletes: true, answer: 'normal', delayMs: 400 },
  hang: { deletes: false, answer: 'hang' },
  hang_after: { deletes: true, answer: 'hang' },
  drop_before: { deletes: false, answer: 'drop' },
  drop_after: { deletes: true, answer: 'drop' },
  drop_and_later: { deletes: 'later', answer: 'drop' },
  html_502: { deletes: false, answer: () => new Response(html, { status: 502, headers: asHtml }) },
  html_502_after: { deletes: true, answer: () => new Response(html, { status: 502, headers: asHtml }) },
  html_200: { deletes: false, answer: () => new Response(html, { status: 200, headers: asHtml }) },
  html_404: { deletes: false, answer: () => new Response(html, { status: 404, headers: asHtml }) },
  internal_error: { deletes: false, answer: (id) => failure(500, 'InternalError', 'Internal error.', id) },
  internal_error_after: { deletes: true, answer: (id) => failure(500, 'InternalError', 'Internal error.', id) },
  accepted_202: { deletes: false, answer: (id) => raw(202, '', id) },
  bare_200: { deletes: false, answer: () => new Response(null, { status: 200 }) },
  bare_200_after: { deletes: true, answer: () => new Response(null, { status: 200 }) },
  request_timeout_408: { deletes: false, answer: (id) => raw(408, '', id) },
  request_timeout_408_after: { deletes: true, answer: (id) => raw(408, '', id) },
  shared_on_502: {
    deletes: false,
    answer: (id) => failure(502, 'Image.ImageHasBeenSharedToOthers', 'The image has been shared to others.', id),
  },
  cut_404: { deletes: false, answer: (id) => cut(404, id) },
  cut_403: { deletes: false, answer: (id) => cut(403, id) },
  cut_429: { deletes: false, answer: (id) => cut(429, id) },
  cut_200: { deletes: true, answer: (id) => cut(200, id) },
  stalled_404: { deletes: false, answer: (id) => stalled(404, id) },
  stalled_409: { deletes: false, answer: (id) => stalled(409, id) },
  stalled_200: { deletes: true, answer: (id) => stalled(200, id) },
  half_json_500: { deletes: false, answer: (id) => raw(500, '{"requestId":"', id) },
  half_json_409: { deletes: false, answer: (id) => raw(409, '{"code":"Image.ImageHas', id) },
  half_json_200: { deletes: true, answer: (id) => raw(200, '{"requestId":"', id) },
  nothing_500: { deletes: false, answer: () => new Response(null, { status: 500 }) },
  nothing_404: { deletes: false, answer: () => new Response(null, { status: 404 }) },
  megabyte_200: { deletes: true, answer: (id) => raw(200, 'x'.repeat(1_000_000), id) },
  megabyte_500: { deletes: false, answer: (id) => raw(500, 'x'.repeat(1_000_000), id) },
  redirect: {
    deletes: false,
    answer: () => new Response(null, { status: 302, headers: { location: 'https://bcc.gz.baidubce.com/v2/image/x' } }),
  },
  throttled: {
    deletes: false,
    answer: (id) => failure(429, 'TooManyRequests', 'Slow down.', id, { 'retry-after': '1' }),
  },
  throttled_long: {
    deletes: false,
    answer: (id) => failure(429, 'TooManyRequests', 'Slow down.', id, { 'retry-after': '120' }),
  },
  unavailable: { deletes: false, answer: (id) => raw(503, '', id, { 'retry-after': '1' }) },
  unavailable_long: { deletes: false, answer: (id) => raw(503, '', id, { 'retry-after': '120' }) },
  iam_signature_invalid: {
    deletes: false,
    answer: (id) => failure(403, 'IamSignatureInvalid', 'IamSignatureInvalid, cause: request ip not allowed', id),
  },
  error_code_on_200: {
    deletes: false,
    answer: (id) => raw(200, '', id, { 'x-bce-error-code': 'IamSignatureInvalid', 'x-bce-error-message': 'no' }),
  },
  unauthorized: { deletes: false, answer: () => new Response(null, { status: 401 }) },
  throttled_504_after: {
    deletes: true,
    answer: (id) => failure(504, 'BackendRequestLimitWaitTimeout', 'The backend did not answer in time.', id),
  },
  in_use: { deletes: false, answer: (id) => failure(409, 'IMAGE_INUSE', 'The image is in use.', id) },
  user_unknown: { deletes: false, answer: (id) => failure(404, 'UserNotExist', 'No such user.', id) },
  account_unknown: {
    deletes: false,
    answer: (id) => failure(404, 'AccountNotFound', 'No such account.', id, { 'x-bce-error-code': 'NoSuchObject' }),
  },
  unseen_404: { deletes: false, answer: (id) => failure(404, 'ServiceUnavailable', 'Try again later.', id) },
  region_unknown: { deletes: false, answer: (id) => failure(404, 'RegionNotFound', 'No such region.', id) },
  undocumented_code: { deletes: false, answer: (id) => failure(409, 'Image.IsOnHoliday', 'Come back later.', id) },
  route_unknown: { deletes: false, answer: (id) => failure(404, 'ResourceNotFound', 'No such route.', id) },
  version_unknown: { deletes: false, answer: (id) => failure(404, 'InvalidVersion', 'No such version.', id) },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export function isFaultName(name: unknown): name is FaultName {
  return typeof name === 'string' && Object.hasOwn(FAULTS, name);
}

/** Thrown if the connection ends without an answer. */
export class ConnectionDropped extends Error {}

export class Emulator {
  readonly images = new Map<string, Image>();
  readonly calls: Call[] = [];
  /** Faults for the next calls, first in, first out. */
  readonly faults: Fault[] = [];
  /** Faults for the next deletions only, so that a check of another image in between does not take one. */
  readonly deletionFaults: Fault[] = [];
  /** How far this server's clock is ahead, in milliseconds. */
  clockOffsetMs = 0;
  /** Its error code for an absent image. The real server's is not documented. */
  absentCode = 'NoSuchObject';
  readonly #account: Account;
  readonly #sleep: (ms: number) => Promise<unknown>;
  readonly #verify: typeof refusal;

  /** @param verify returns why a request is refused, or `null`. Replaced only where signatures do not matter. */
  constructor(account: Account, sleep: (ms: number) => Promise<unknown>, verify: typeof refusal = refusal) {
    this.#account = account;
    this.#sleep = sleep;
    this.#verify = verify;
    this.reset();
  }

  reset(): void {
    this.images.clear();
    for (const image of catalogue()) this.images.set(image.id, image);
    this.calls.length = 0;
    this.calm();
    this.clockOffsetMs = 0;
    this.absentCode = 'NoSuchObject';
  }

  /** Makes the next calls fail, with one fault each. */
  misbehave(...names: FaultName[]): void {
    this.faults.push(...names.map((name) => FAULTS[name]));
  }

  /** Removes all faults. */
  calm(): void {
    this.faults.length = 0;
    this.deletionFaults.length = 0;
  }

  /** Answers as the server would. @throws ConnectionDropped if the connection ends without an answer */
  async fetch(request: Request): Promise<Response> {
    const requestId = crypto.randomUUID();
    const { pathname: path, search } = new URL(request.url);
    const authorization = request.headers.get('authorization') ?? '';
    const { method } = request;
    const atMs = Date.now();
    const call: Call = { method, path: path + search, authorization, answer: 'ok', deleted: false, atMs };
    this.calls.push(call);
    const deletionFault = method === 'DELETE' ? this.deletionFaults.shift() : undefined;
    const fault: Fault = deletionFault ?? this.faults.shift() ?? { deletes: true, answer: 'normal' };

    const nowMs = Date.now() + this.clockOffsetMs;
    const refused = await this.#verify(request, this.#account, nowMs);
    if (fault.delayMs !== undefined) await this.#sleep(fault.delayMs);
    let response: Response;
    if (refused !== null && fault.answer === 'normal') {
      call.answer = refused.code;
      response = failure(refused.code === 'IamSignatureInvalid' ? 403 : 400, refused.code, refused.message, requestId);
    } else if (fault.answer === 'normal' || (fault.deletes === true && refused === null)) {
      response = this.#answer(request.method, path, requestId, call);
    } else {
      response = raw(200, '', requestId);
    }
    if (fault.deletes === 'later' && refused === null) {
      this.#sleep(LATER_MS).then(() => this.#answer(request.method, path, requestId, call));
    }
    if (fault.answer === 'hang') {
      await Promise.race([this.#sleep(60_000), new Promise((done) => request.signal.addEventListener('abort', done))]);
    }
    if (fault.answer === 'drop' || fault.answer === 'hang') {
      call.answer = fault.answer;
      throw new ConnectionDropped('Network connection lost.');
    }
    if (fault.answer !== 'normal') {
      response = fault.answer(requestId);
      call.answer = `fault ${response.status}`;
    }
    response.headers.set('date', new Date(nowMs).toUTCString());
    return response;
  }

  #answer(method: string, path: string, requestId: string, call: Call): Response {
    const [, version, noun, id = '', ...rest] = path.split('/');
    const say = (status: number, code: string, message: string) => {
      call.answer = code;
      return failure(status, code, message, requestId);
    };
    const wantsUsers = method === 'GET' && rest.length === 1 && rest[0] === 'sharedUsers';
    if (noun !== 'image' || (rest.length > 0 && !wantsUsers)) return say(404, 'ResourceNotFound', 'No such route.');
    if (version !== 'v2') return say(404, 'InvalidVersion', 'The API version is invalid.');
    const image = this.images.get(id);
    if (image === undefined)
      return say(404, this.absentCode, 'The specified object is not found or resource do not exist.');
    if (wantsUsers) {
      if (image.type !== 'Custom')
        return say(403, 'Image.UnCustomImageCannotBeShared', 'Only custom image can be shared.');
      const users = image.sharedWith.map((accountId) => ({ account: `account-${accountId.slice(0, 4)}`, accountId }));
      return raw(200, JSON.stringify({ users }), requestId);
    }
    if (method === 'GET') return raw(200, JSON.stringify({ image: imageModel(image) }), requestId);
    if (method !== 'DELETE') return say(400, 'BadRequest', 'Bad request parameters or illegal request.');
    if (image.type !== 'Custom') {
      return say(403, 'Image.UnCustomImageCannotBeDeleted', 'Only custom images can be deleted.');
    }
    if (image.status === 'Creating') {
      return say(409, 'Image.CreatingImageCannotBeDeleted', 'The image is being created.');
    }
    if (image.sharedWith.length > 0) {
      return say(409, 'Image.ImageHasBeenSharedToOthers', 'The image has been shared to others.');
    }
    this.images.delete(id);
    call.deleted = true;
    return raw(200, '', requestId);
  }
}

/** An answer with the headers that every BCC answer has. */
function raw(status: number, body: string, requestId: string, headers: Record<string, string> = {}): Response {
  const common = { 'content-type': 'application/json;charset=UTF-8', server: 'BWS', 'x-bce-request-id': requestId };
  return new Response(body === '' ? null : body, { status, headers: { ...common, ...headers } });
}

/** An answer whose body is cut off. */
function cut(status: number, requestId: string): Response {
  return begun(status, requestId, async (controller) =>
    controller.error(new ConnectionDropped('Network connection lost.')),
  );
}

/** An answer whose body never ends. */
function stalled(status: number, requestId: string): Response {
  return begun(status, requestId, () => new Promise(() => undefined));
}

/** An answer with the first bytes of a body; then `goOn` takes over. */
function begun(
  status: number,
  requestId: string,
  goOn: (controller: ReadableStreamDefaultController<Uint8Array>) => Promise<void>,
): Response {
  let isBegun = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isBegun) return goOn(controller);
      isBegun = true;
      controller.enqueue(new TextEncoder().encode('{"requestId":"'));
    },
  });
  const headers = { 'content-type': 'application/json;charset=UTF-8', server: 'BWS', 'x-bce-request-id': requestId };
  return new Response(body, { status, headers });
}

/** BCC's error body. */
export function failure(
  status: number,
  code: string,
  message: string,
  requestId: string,
  headers: Record<string, string> = {},
): Response {
  return raw(status, JSON.stringify({ requestId, code, message }), requestId, headers);
}
