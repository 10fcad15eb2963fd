/** A page in Chromium, and everything that must not happen in it. */
import chromium from '@sparticuz/chromium';
import { type Browser, launch, type Page } from 'puppeteer-core';

export async function launchChromium(): Promise<Browser> {
  return launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args, '--lang=en-US'],
    headless: 'shell',
  });
}

export class WatchedPage {
  readonly page: Page;
  readonly #origin: string;
  readonly requests: { method: string; url: string }[] = [];
  readonly #errors: string[] = [];

  private constructor(page: Page, origin: string) {
    this.page = page;
    this.#origin = origin;
    page.on('request', (request) => this.requests.push({ method: request.method(), url: request.url() }));
    page.on('pageerror', (error) => this.#errors.push(String(error)));
    page.on('console', (message) => {
      // Chromium reports every answer that is not 2xx.
      const isAnswer = message.text().startsWith('Failed to load resource: the server responded with');
      if (message.type() === 'error' && !isAnswer) this.#errors.push(message.text());
    });
  }

  /** A blank page. */
  static async create(browser: Browser, origin: string): Promise<WatchedPage> {
    const watched = new WatchedPage(await browser.newPage(), origin);
    await watched.page.evaluateOnNewDocument(`window.violations = [];
      addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));`);
    return watched;
  }

  /** What a script finds in the page. A text, because the types of a page are not those of this project. */
  find(script: string): Promise<unknown> {
    return this.page.evaluate(script);
  }

  /** Requests to other origins or with other methods than GET, breaches of the policy, and errors. */
  async faults(): Promise<unknown[]> {
    const isFine = ({ method, url }: { method: string; url: string }) =>
      url.startsWith('data:') || (method === 'GET' && url.startsWith(`${this.#origin}/`));
    const violations = await this.find('violations');
    return [...this.requests.filter((request) => !isFine(request)), ...[violations].flat(), ...this.#errors];
  }
}
