/**
 * The server's side of bce-auth-v1: checks what a client signed.
 *
 * Promises: shares no code with the gateway, and uses the platform's WebCrypto where the gateway uses @noble/hashes; refuses
 * whatever a strict reading of the documentation refuses. Never: corrects a request.
 *
 * Source: https://cloud.baidu.com/doc/Reference/s/njwvz1yfu; causes of IamSignatureInvalid as seen in live answers.
 */

export interface Account {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export type Refusal = { code: 'IamSignatureInvalid' | 'InvalidHTTPAuthHeader' | 'RequestExpired'; message: string };

/** How much a request's time may differ from the server's. */
const MAX_DISTANCE_MS = 30 * 60 * 1000;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const DEFAULT_HEADERS = ['host', 'content-length', 'content-type', 'content-md5'];

/** `null` if the request is correctly signed. */
export async function refusal(request: Request, account: Account, nowMs: number): Promise<Refusal | null> {
  const fields = (request.headers.get('authorization') ?? '').split('/');
  const [scheme, accessKeyId = '', timestamp = '', period = '', list = '', signature = ''] = fields;
  if (scheme !== 'bce-auth-v1' || fields.length !== 6 || !/^[0-9a-f]{64}$/.test(signature)) {
    return { code: 'InvalidHTTPAuthHeader', message: 'The HTTP authorization header is invalid.' };
  }
  if (!TIMESTAMP.test(timestamp) || !/^[1-9]\d{0,9}$/.test(period)) {
    return { code: 'InvalidHTTPAuthHeader', message: 'The authentication string is malformed.' };
  }
  if (accessKeyId !== account.accessKeyId) return invalid('could not find credential');

  const headers = new Map(request.headers);
  if (!headers.has('host')) headers.set('host', new URL(request.url).host);
  const bceHeaders = [...headers.keys()].filter((name) => name.startsWith('x-bce-'));
  const names = list === '' ? [...DEFAULT_HEADERS.filter((name) => headers.has(name)), ...bceHeaders] : list.split(';');
  if (!names.includes('host') || new Set(names).size !== names.length) return invalid('host must be signed, and once');
  const missing = names.filter((name) => !headers.get(name)?.trim());
  if (missing.length > 0) return invalid('missing headers required by signing');
  if (bceHeaders.some((name) => !names.includes(name))) return invalid('x-bce headers must be signed');
  if ((headers.get('x-bce-security-token') ?? undefined) !== account.sessionToken) {
    return invalid('security token is not that of the credential');
  }

  const signedAtMs = Date.parse(timestamp);
  const tooFar = [timestamp, headers.get('x-bce-date') ?? timestamp].some((time) => {
    const distanceMs = Math.abs(Date.parse(time) - nowMs);
    return !TIMESTAMP.test(time) || !(distanceMs <= MAX_DISTANCE_MS);
  });
  if (tooFar || nowMs > signedAtMs + Number(period) * 1000) {
    return { code: 'RequestExpired', message: 'Request has expired.' };
  }

  const prefix = `bce-auth-v1/${accessKeyId}/${timestamp}/${period}`;
  const url = new URL(request.url);
  const text = [
    request.method,
    url.pathname
      .split('/')
      .map((segment) => escaped(decodeURIComponent(segment)))
      .join('/'),
    [...url.searchParams]
      .filter(([key]) => key.toLowerCase() !== 'authorization')
      .map(([key, value]) => `${escaped(key)}=${escaped(value)}`)
      .sort()
      .join('&'),
    names
      .map((name) => `${escaped(name)}:${escaped(headers.get(name)?.trim() ?? '')}`)
      .sort()
      .join('\n'),
  ].join('\n');
  const expected = await hmac(await hmac(account.secretAccessKey, prefix), text);
  return expected === signature ? null : invalid('Fail to authn user: Signature does not match');
}

function invalid(cause: string): Refusal {
  return { code: 'IamSignatureInvalid', message: `IamSignatureInvalid, cause: ${cause}` };
}

/** Percent-encodes each byte except letters, digits and `-._~`, as documented. */
function escaped(text: string): string {
  let result = '';
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte);
    result += /[\w.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}

async function hmac(key: string, message: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', encoder.encode(key), algorithm, false, ['sign']);
  const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', imported, encoder.encode(message)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
