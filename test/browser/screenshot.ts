/** `npm run screenshot`: makes the picture of the console in README and docs. */
import { join } from 'node:path';
import { installTools } from '../local/on-demand.ts';
import { temporaryFolder } from '../local/stack.ts';

const PICTURE = join(import.meta.dirname, '../../src/docs/console.png');
const SIZE = { width: 1280, height: 1180 };

installTools('test/browser');
// Chromium unpacks itself into the temporary folder.
process.env['TMPDIR'] = temporaryFolder('browser');
const { OPERATORS, startWithHistory } = await import('./history.ts');
const { launchChromium } = await import('./watched-page.ts');

const gateway = await startWithHistory({ hasMany: false });
const browser = await launchChromium();
try {
  const page = await browser.newPage();
  await page.setViewport(SIZE);
  await page.emulateTimezone('Asia/Shanghai');
  await page.goto(`${gateway.url}/console`);
  await page.waitForSelector('form:not([hidden])');
  await page.keyboard.type(gateway.keyOf(OPERATORS[0] ?? ''));
  await page.keyboard.press('Enter');
  await page.waitForSelector('#probe');
  await page.waitForFunction(`document.querySelector('#status').textContent.startsWith('Loaded at')`);
  await page.screenshot({ path: PICTURE, optimizeForSpeed: false });
} finally {
  await browser.close();
  await gateway.stop();
}
