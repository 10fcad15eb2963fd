/**
 * The console's door: who asks, and with what credential.
 *
 * Promises: asks the gateway nothing before somebody presses the button; the credential is in one closure and nowhere else; there is
 * one console at a time, and what one caller saw is gone before another signs in. Every failure is shown.
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
/** Ends everything that was asked for the caller of the moment. */
let session = new AbortController();
/** The sign-in that has no answer yet. */
let pending: AbortSignal | null = null;

/** Says that something has failed that nobody foresaw. What it is called is enough: its text may hold anything. */
function sayBroken(thrown: unknown): void {
  const what = thrown instanceof Error ? thrown.name : typeof thrown;
  find(document, '#broken', HTMLElement).textContent = texts.say('broken', { what });
}

function gatewayFor(credential: string): ImageGateway {
  const options = { baseUrl: location.origin, retries: 0, fetch: window.fetch.bind(window) };
  return new ImageGateway(credential === '' ? options : { ...options, token: credential });
}

/** Lets a caller in, in place of the one before. */
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
    // Without a credential, nobody has been refused.
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

/** Ends the console that is open, and removes all that it has shown. */
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
  // The button was pressed twice: the first time has taken the credential.
  if (credential === '' && pending !== null) return;
  if (credential === '' || TOKEN.test(credential)) void enter(credential);
  else ask(texts.notice('malformed'));
});
find(document, '#broken', HTMLElement).replaceChildren();
ask(null);
