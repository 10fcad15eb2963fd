/** A page in Chromium that records everything that must not happen, and can intercept its requests. */
import chromium from '@sparticuz/chromium';
import { type Browser, type CDPSession, launch, type Page } from 'puppeteer-core';

/** @param language the browser's language, which may be invalid */
export async function launchChromium(language = 'en-US'): Promise<Browser> {
  return launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args, `--lang=${language}`],
    headless: 'shell',
  });
}

/** What happens to a request: it passes, it fails, or it gets this response. */
export type RequestAction = 'pass' | 'fail' | { status: number; contentType: string; body: string };

/** Chromium reports each response that is not 2xx, and each request that a test makes fail. */
const REPORT_OF_REQUEST = /^Failed to load resource: (?:the server responded with|net::ERR_FAILED)/;

export class WatchedPage {
  readonly page: Page;
  readonly #origin: string;
  readonly #session: CDPSession;
  readonly requests: { method: string; url: string }[] = [];
  readonly #errors: string[] = [];

  private constructor(page: Page, origin: string, session: CDPSession) {
    this.page = page;
    this.#origin = origin;
    this.#session = session;
    page.on('request', (request) => this.requests.push({ method: request.method(), url: request.url() }));
    page.on('pageerror', (error) => this.#errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !REPORT_OF_REQUEST.test(message.text())) this.#errors.push(message.text());
    });
  }

  /** A blank page. */
  static async create(browser: Browser, origin: string): Promise<WatchedPage> {
    const page = await browser.newPage();
    const watched = new WatchedPage(page, origin, await page.createCDPSession());
    await watched.page.evaluateOnNewDocument(`window.violations = [];
      addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));`);
    return watched;
  }

  /** Runs a script in the page and returns its result. A string, because this project has no types for the page. */
  find(script: string): Promise<unknown> {
    return this.page.evaluate(script);
  }

  /** The paths of all requests of the page. */
  paths(): string[] {
    return this.requests.filter(({ url }) => !url.startsWith('data:')).map(({ url }) => new URL(url).pathname);
  }

  /** Decides what happens to every request from now on. */
  async intercept(decide: (url: URL) => RequestAction | Promise<RequestAction>): Promise<void> {
    this.page.removeAllListeners('request');
    this.page.on('request', async (request) => {
      this.requests.push({ method: request.method(), url: request.url() });
      const action = await decide(new URL(request.url()));
      if (action === 'pass') await request.continue();
      else if (action === 'fail') await request.abort();
      else await request.respond(action);
    });
    await this.page.setRequestInterception(true);
  }

  /** Emulates system settings. Puppeteer itself does not support forced colours. */
  async emulateMedia(features: Readonly<Record<string, string>>, media = ''): Promise<void> {
    const list = Object.entries(features).map(([name, value]) => ({ name, value }));
    await this.#session.send('Emulation.setEmulatedMedia', { media, features: list });
  }

  /** Ends every animation at once. */
  passTime(): Promise<unknown> {
    return this.find(`document.getAnimations().forEach((each) => each.finish())`);
  }

  /** Requests to other origins, methods other than GET, policy violations, and errors. */
  async faults(): Promise<unknown[]> {
    const isFine = ({ method, url }: { method: string; url: string }) =>
      url.startsWith('data:') || (method === 'GET' && url.startsWith(`${this.#origin}/`));
    const violations = await this.find('violations');
    return [...this.requests.filter((request) => !isFine(request)), ...[violations].flat(), ...this.#errors];
  }
}
