/**
 * The console's sign-in.
 *
 * Promises: sends nothing before somebody presses the button; keeps the credential in one closure only; shows every failure. There is one
 * console at a time, and one caller's data is gone before another signs in.
 */

import { TOKEN } from '../client/exchange.ts';
import { ImageGateway, type Readiness } from '../client/index.ts';
import { Console } from './console.ts';
import { announce, fillTexts, find, showNotice } from './dom.ts';
import { isEnded, noticeOf, signsOut } from './notices.ts';
import { languageOf, type Notice, Texts } from './texts.ts';

const texts = new Texts(languageOf(navigator.languages));
const main = find(document, 'main', HTMLElement);
const form = find(main, 'form', HTMLFormElement);
const field = find(form, 'input', HTMLInputElement);
const template = find(document, 'template', HTMLTemplateElement);
/** Aborts all requests of the current caller. */
let session = new AbortController();
/** The sign-in in progress. */
let pending: AbortSignal | null = null;

/** Reports an unforeseen failure by its name only: its message may contain anything. */
function sayBroken(thrown: unknown): void {
  const what = thrown instanceof Error ? thrown.name : typeof thrown;
  find(document, '#broken', HTMLElement).textContent = texts.say('broken', { what });
}

function gatewayFor(credential: string): ImageGateway {
  const options = { baseUrl: location.origin, retries: 0, fetch: window.fetch.bind(window) };
  return new ImageGateway(credential === '' ? options : { ...options, token: credential });
}

/** Signs a caller in, in place of the previous one. */
async function enter(credential: string): Promise<void> {
  close();
  const { signal } = session;
  pending = signal;
  announce(texts.say('loading'));
  showNotice(form, null, texts);
  try {
    const images = gatewayFor(credential);
    const ready = await images.readiness({ signal });
    if (!signal.aborted) open(images, ready, signal);
  } catch (thrown) {
    if (isEnded(thrown, signal)) return;
    close();
    // Without a credential, nothing was rejected.
    ask(credential === '' && signsOut(thrown) ? texts.notice('unknown') : noticeOf(thrown, texts));
  } finally {
    if (pending === signal) pending = null;
  }
}

function open(images: ImageGateway, ready: Readiness, signal: AbortSignal): void {
  form.hidden = true;
  main.append(template.content.cloneNode(true));
  const root = find(main, '#console', HTMLElement);
  fillTexts(root, texts);
  const leave = (notice: Notice | null) => {
    close();
    ask(notice);
  };
  const shown = new Console(root, { images, signal, texts, leave });
  find(root, 'h2', HTMLElement).focus();
  void shown.show(ready);
}

/** Closes the console, and removes everything that it showed. */
function close(): void {
  session.abort();
  session = new AbortController();
  main.querySelector('#console')?.remove();
  announce('');
}

function ask(notice: Notice | null): void {
  announce('');
  form.hidden = false;
  showNotice(form, notice, texts);
  field.focus();
}

addEventListener('error', ({ error }) => sayBroken(error));
addEventListener('unhandledrejection', ({ reason }) => sayBroken(reason));
document.documentElement.lang = texts.language === 'zh' ? 'zh-CN' : 'en';
document.title = texts.say('page_title');
fillTexts(document, texts);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const credential = field.value.trim();
  field.value = '';
  // A second press of the button: the first has taken the credential.
  if (credential === '' && pending !== null) return;
  if (credential === '' || TOKEN.test(credential)) void enter(credential);
  else ask(texts.notice('malformed'));
});
find(document, '#broken', HTMLElement).replaceChildren();
ask(null);
