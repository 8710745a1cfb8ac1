// Debian's Chromium, headless, with software WebGL2 and none of its own errands to other hosts.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--ignore-gpu-blocklist',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--no-first-run',
];

/** Starts the browser; `executable` defaults to Debian's. */
export const launch = (executable = process.env.CHROMIUM ?? '/usr/bin/chromium') =>
  chromium.launch({ executablePath: executable, headless: true, args: FLAGS });

/**
 * A page that may only talk to `origin`. Whatever else it asks for is aborted and recorded in `foreign`, and what it
 * complains about in `complaints`.
 */
export async function openPage(browser, origin, options) {
  const context = await browser.newContext({ locale: 'fr-FR', ...options });
  const foreign = [];
  const complaints = [];
  await context.route('**/*', (route) => {
    const url = new URL(route.request().url());
    if (url.origin === origin || url.protocol === 'data:' || url.protocol === 'blob:') return route.continue();
    foreign.push(url.href);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  return { page, foreign, complaints };
}

/** Waits until the page says that the map has nothing left to draw. */
export async function mapIdle(page) {
  await page.evaluate(() => window.tournee.ready);
  await page.waitForFunction(() => document.documentElement.dataset.mapIdle === 'true');
}
