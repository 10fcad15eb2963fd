/** Each signer signs the same deletion, with a new image id every time and the real clock. */
import { createHmac } from 'node:crypto';
// Only this file, because the complete package includes every Baidu service.
import Auth from '@baiducloud/sdk/src/auth.js';
import { AwsClient } from 'aws4fetch';
import { canonicalHeaders, formatTimestamp, sign, signingKey } from '../../src/worker/baidu/signer.ts';

const accessKeyId = 'a'.repeat(32);
const secretAccessKey = 'b'.repeat(32);
const HOST = 'bcc.bj.baidubce.com';
const PERIOD_S = 300;
const SIGNED = ['host', 'x-bce-date'];

let count = 0;
const freshId = () => `m-${(++count).toString(36).padStart(8, '0')}`;

let second = -1;
let prepared: { key: ReturnType<typeof signingKey>; headers: ReturnType<typeof canonicalHeaders> } | undefined;

/** As in `BceClient`, without its `Request`. */
function ours(): string {
  const timeMs = Date.now();
  if (prepared === undefined || Math.floor(timeMs / 1000) !== second) {
    second = Math.floor(timeMs / 1000);
    const timestamp = formatTimestamp(timeMs);
    const headers = canonicalHeaders({ host: HOST, 'x-bce-date': timestamp }, SIGNED);
    prepared = { key: signingKey(accessKeyId, secretAccessKey, timestamp, PERIOD_S), headers };
  }
  return sign({ method: 'DELETE', path: `/v2/image/${freshId()}`, headers: prepared.headers }, prepared.key)
    .authorization;
}

function officialSdk(): string {
  const headers = { host: HOST, 'x-bce-date': formatTimestamp(Date.now()) };
  const auth = new Auth(accessKeyId, secretAccessKey);
  return auth.generateAuthorization('DELETE', `/v2/image/${freshId()}`, {}, headers, undefined, PERIOD_S, SIGNED);
}

const prefixAt = (timestamp: string) => `bce-auth-v1/${accessKeyId}/${timestamp}/${PERIOD_S}`;
const canonicalAt = (timestamp: string) =>
  `DELETE\n/v2/image/${freshId()}\n\nhost:${HOST}\nx-bce-date:${encodeURIComponent(timestamp)}`;

const nativeHmac = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex');
const nativeKeyAt = (timestamp: string) => nativeHmac(secretAccessKey, prefixAt(timestamp));

function nodeCrypto(): string {
  const timestamp = formatTimestamp(Date.now());
  const signature = nativeHmac(nativeKeyAt(timestamp), canonicalAt(timestamp));
  return `${prefixAt(timestamp)}/host;x-bce-date/${signature}`;
}

/** `node:crypto`, with the signing key derived once a second, as we do it. */
let nativeKey = { timestamp: '', key: '' };
function nodeCryptoKeptKey(): string {
  const timestamp = formatTimestamp(Date.now());
  if (nativeKey.timestamp !== timestamp) {
    nativeKey = { timestamp, key: nativeKeyAt(timestamp) };
  }
  const signature = nativeHmac(nativeKey.key, canonicalAt(timestamp));
  return `${prefixAt(timestamp)}/host;x-bce-date/${signature}`;
}

const encoder = new TextEncoder();
const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
const imported = (key: string) =>
  crypto.subtle.importKey('raw', encoder.encode(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
const subtleHmac = async (key: CryptoKey, text: string) =>
  hex(await crypto.subtle.sign('HMAC', key, encoder.encode(text)));
const subtleKeyAt = async (timestamp: string) =>
  imported(await subtleHmac(await imported(secretAccessKey), prefixAt(timestamp)));

async function webCrypto(): Promise<string> {
  const timestamp = formatTimestamp(Date.now());
  const key = await subtleKeyAt(timestamp);
  return `${prefixAt(timestamp)}/host;x-bce-date/${await subtleHmac(key, canonicalAt(timestamp))}`;
}

/** WebCrypto, with the signing key derived once a second, as we do it. */
let subtleKey: { timestamp: string; key: CryptoKey } | undefined;
async function webCryptoKeptKey(): Promise<string> {
  const timestamp = formatTimestamp(Date.now());
  if (subtleKey?.timestamp !== timestamp) {
    subtleKey = { timestamp, key: await subtleKeyAt(timestamp) };
  }
  return `${prefixAt(timestamp)}/host;x-bce-date/${await subtleHmac(subtleKey.key, canonicalAt(timestamp))}`;
}

/** Also makes a `Request`, unlike the others. */
const aws = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'us-east-1' });
async function aws4fetch(): Promise<string> {
  const request = await aws.sign(`https://${HOST}/v2/image/${freshId()}`, { method: 'DELETE' });
  return request.headers.get('authorization') ?? '';
}

/** Our signer's name in the table. The others are compared with it. */
export const OURS = 'ours, on `@noble/hashes`';

export const signers: Record<string, () => string | Promise<string>> = {
  [OURS]: ours,
  'official `@baiducloud/sdk`': officialSdk,
  '`node:crypto`': nodeCrypto,
  '`node:crypto`, the signing key kept as we do': nodeCryptoKeptKey,
  WebCrypto: webCrypto,
  'WebCrypto, the signing key kept as we do': webCryptoKeptKey,
  'aws4fetch (SigV4, for scale)': aws4fetch,
};
