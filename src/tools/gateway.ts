/**
 * Asks a running gateway for its readiness.
 *
 * Promises: sends the token only to that gateway, over https or to loopback. Never: changes anything.
 */
import { ImageGateway, ImageGatewayError } from '../client/index.ts';
import { VERSION_HEADER } from '../worker/http/version-header.ts';
import { failed, ok, type Result } from '../worker/result.ts';

export interface Readiness {
  /** The version of the Worker that responded; `null` if none did. */
  readonly version: string | null;
  /** What is wrong, as a sentence without its full stop; `null` if nothing is. */
  readonly fault: string | null;
  /** Whether Baidu has the control, an image that should exist. */
  readonly isControlFound: boolean;
}

const CONTROL_ABSENT =
  'Baidu does not have the first of PROTECTED_IMAGES: wrong account or region, or the image is gone';

/** Calls `GET /readyz?upstream=true`. Fails only if the call cannot be made. */
export async function askReadiness(url: string, token = ''): Promise<Result<Readiness, string>> {
  if (token === '') return failed('the variable GATEWAY_TOKEN is not set');
  if (!URL.canParse(url)) return failed('the URL is not valid');
  let version: string | null = null;
  const send = async (input: string, init: RequestInit) => {
    const response = await fetch(input, init);
    version = response.headers.get(VERSION_HEADER);
    return response;
  };
  try {
    const images = new ImageGateway({ baseUrl: url, token, fetch: send, retries: 0 });
    const { control } = await images.readiness({ upstream: true });
    return ok({ version, fault: control === 'absent' ? CONTROL_ABSENT : null, isControlFound: control === 'found' });
  } catch (error) {
    if (!(error instanceof ImageGatewayError || error instanceof TypeError)) throw error;
    const sentence = error.message.replace(/\.$/, '');
    return error instanceof TypeError ? failed(sentence) : ok({ version, fault: sentence, isControlFound: false });
  }
}
