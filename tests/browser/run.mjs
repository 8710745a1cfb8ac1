// The page as a reader meets it, in a real browser:
//   node run.mjs --url http://127.0.0.1:PORT [--out FOLDER] [--chromium /usr/bin/chromium]
// Prints a line per check and "N passed, N failed"; exits 1 when one failed. Shots and downloads go to FOLDER.
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { launch, mapIdle, openPage } from './chromium.mjs';
import { Checks } from './checks.mjs';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    out: { type: 'string', default: join(tmpdir(), 'tournee-browser') },
    chromium: { type: 'string' },
  },
});
if (!options.url) {
  console.error('say which page to test: node run.mjs --url http://127.0.0.1:PORT');
  process.exit(2);
}
const origin = new URL(options.url).origin;
mkdirSync(options.out, { recursive: true });

const MEASURED = ['measured-solid', 'measured-dashed', 'measured-grey'];
const checks = new Checks();
const browser = await launch(options.chromium);
const { page, foreign, complaints } = await openPage(browser, origin, { viewport: { width: 1280, height: 800 } });
const shot = (name, of = page) => of.screenshot({ path: join(options.out, `${name}.png`) });

/** Sections that are really drawn, by id. */
const drawn = () =>
  page.evaluate(
    (layers) => [
      ...new Set(
        window.tournee.map.queryRenderedFeatures(undefined, { layers }).map((one) => one.properties.section_id),
      ),
    ],
    MEASURED,
  );

/** A pixel on a drawn section where nothing lies over the map, with the id of that section. */
const pixelOfSection = () =>
  page.evaluate((layers) => {
    const { map } = window.tournee;
    const frame = map.getCanvas().getBoundingClientRect();
    for (const feature of map.queryRenderedFeatures(undefined, { layers })) {
      const { type, coordinates } = feature.geometry;
      const lines = type === 'MultiLineString' ? coordinates : [coordinates];
      const pairs = lines.flatMap((line) => line.slice(1).map((to, ix) => [line[ix], to]));
      for (const [from, to] of pairs) {
        const middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
        const at = map.project(middle);
        const [x, y] = [frame.left + at.x, frame.top + at.y];
        if (document.elementFromPoint(x, y) !== map.getCanvas()) continue;
        const [top] = map.queryRenderedFeatures([[at.x - 1, at.y - 1], [at.x + 1, at.y + 1]], { layers });
        if (top) return { x, y, id: top.properties.section_id };
      }
    }
    return undefined;
  }, MEASURED);

/** Goes to a theme and waits for its layer. */
async function showTheme(theme) {
  const button = page.locator(`.themes button[data-theme="${theme}"]`);
  if ((await button.getAttribute('aria-pressed')) !== 'true') {
    await button.click();
    await page.locator(`.themes button[data-theme="${theme}"][aria-pressed="true"]`).waitFor();
  }
  await page.waitForFunction((wanted) => location.hash.includes(`theme=${wanted}`), theme);
  await settled();
}

/** The map has drawn what the last press asked for. */
async function settled() {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await mapIdle(page);
}

const field = async (name) => (await page.locator(`#drawer [data-field="${name}"]`).first().textContent()).trim();

await checks.run('the page opens, in French, and the map comes to rest', async () => {
  const response = await page.goto(`${options.url.replace(/\/$/, '')}/`);
  checks.equal(response.status(), 200);
  await mapIdle(page);
  checks.equal(await page.getAttribute('html', 'lang'), 'fr');
  checks.match(await page.locator('#statement').textContent(), /\S.{20,}/);
  checks.match(await page.locator('.maplibregl-ctrl-attrib').textContent(), /OpenStreetMap/);
  await shot('fr');
});

for (const theme of ['air', 'road', 'mobile', 'heat']) {
  await checks.run(`${theme}: sections are drawn, with a legend and a table of the same`, async () => {
    await showTheme(theme);
    const ids = await drawn();
    checks.ok(ids.length > 0, 'no section of this theme is drawn');
    checks.ok((await page.locator('.legend .classes li').count()) >= 3, 'the legend has no classes');
    await page.locator('#tab-table').click();
    checks.ok((await page.locator('table.layer tbody tr').count()) > 0, 'the table is empty');
    await shot(theme);
    await page.locator('#tab-priorities').click();
  });
}

await checks.run('a click on a section explains it: value, unit, passes, confidence', async () => {
  await showTheme('road');
  const pixel = await pixelOfSection();
  checks.ok(pixel, 'no section lies free under the pointer');
  await page.mouse.click(pixel.x, pixel.y);
  await page.locator('#drawer').waitFor();
  checks.equal(await page.locator('#drawer').getAttribute('data-section'), pixel.id);
  checks.match(await field('value'), /^[−-]?\d[\d\u202f]*(,\d+)?\u00a0m\/s²$/);
  checks.match(await field('passes'), /^\d+$/);
  checks.match(await field('days'), /^\d+$/);
  checks.match(await field('confidence'), /^(élevée|moyenne|faible|insuffisante)$/);
  checks.match(new URL(page.url()).hash, new RegExp(`section=${pixel.id}`));
  await shot('section');
  await page.keyboard.press('Escape');
  await page.locator('#drawer').waitFor({ state: 'detached' });
});

await checks.run('a recommendation of each rule gives its reasons', async () => {
  const rules = await page.locator('#rule option').evaluateAll((all) => all.map((one) => one.value).filter(Boolean));
  checks.ok(rules.length >= 1, 'no recommendation at all');
  for (const rule of rules) {
    await page.selectOption('#rule', rule);
    const item = page.locator(`#recommendations button[data-rule="${rule}"]`).first();
    const id = await item.getAttribute('data-section');
    await item.click();
    await page.locator(`#drawer[data-section="${id}"]`).waitFor();
    const reasons = page.locator(`#drawer .advice[data-rule="${rule}"] .reasons li`);
    checks.ok((await reasons.count()) > 0, `${rule}: no reasons`);
    checks.match(await reasons.first().textContent(), /contribution \d/);
    await settled();
    await shot(`recommendation-${rule}`);
    await page.locator('#drawer .back').click();
  }
  await page.selectOption('#rule', '');
});

await checks.run('English by switch, and by address', async () => {
  await page.locator('.langs [data-lang="en"]').click();
  checks.equal(await page.getAttribute('html', 'lang'), 'en');
  checks.match(await page.locator('#tab-downloads').textContent(), /Download/);
  await settled();
  await shot('en');
});

const downloadTo = async (link) => {
  const started = page.waitForEvent('download');
  await link.click();
  const download = await started;
  const path = join(options.out, download.suggestedFilename());
  await download.saveAs(path);
  return path;
};

await checks.run('each commune gives its files, under French names', async () => {
  await page.locator('#tab-downloads').click();
  const communes = page.locator('.commune');
  const count = await communes.count();
  checks.ok(count > 0, 'no commune');
  for (let ix = 0; ix < count; ix++) {
    for (const format of ['gpkg', 'csvfr', 'csv', 'geojson']) {
      const path = await downloadTo(communes.nth(ix).locator(`a[data-format="${format}"]`));
      checks.match(path, /tournee-[\w-]+-indicateurs(-tableur)?\.(gpkg|csv|geojson)$/);
      console.log(`download ${path}`);
    }
  }
});

await checks.run('the partner\'s town shows its measured sections', async () => {
  await page.locator('.territories [data-territory="dublin"]').click();
  await page.locator('.territories [data-territory="dublin"][aria-pressed="true"]').waitFor();
  await settled();
  await page.waitForFunction(
    (layers) => window.tournee.map.queryRenderedFeatures(undefined, { layers }).length > 0,
    MEASURED,
  );
  checks.match(await page.locator('#statement').textContent(), /partner/i);
  const pixel = await pixelOfSection();
  await page.mouse.click(pixel.x, pixel.y);
  await page.locator('#drawer').waitFor();
  checks.match(await field('value'), /µg\/m³$/);
  await shot('dublin');
});

await checks.run('a link shows its reader the same section, and the keyboard reaches it', async () => {
  const address = page.url();
  const id = new URLSearchParams(new URL(address).hash.slice(1)).get('section');
  await page.goto('about:blank');
  await page.goto(address);
  await mapIdle(page);
  await page.locator(`#drawer[data-section="${id}"]`).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#tab-priorities').click();
  await page.keyboard.press('ArrowRight');
  checks.equal(await page.evaluate(() => document.activeElement.id), 'tab-table');
  await page.locator('table.layer tbody button').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('#drawer').waitFor();
  checks.equal(await page.evaluate(() => document.activeElement.id), 'drawer');
});

await checks.run('without WebGL2 the table and the downloads remain', async () => {
  const blind = await openPage(browser, origin, { viewport: { width: 390, height: 844 } });
  await blind.page.addInitScript(() => {
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind === 'webgl2' ? null : original.call(this, kind, ...rest);
    };
  });
  await blind.page.goto(options.url);
  await blind.page.evaluate(() => window.tournee.ready);
  checks.match(await blind.page.locator('#map').textContent(), /WebGL2/);
  checks.ok((await blind.page.locator('table.layer tbody tr').count()) > 0, 'the table is empty');
  await shot('without-map', blind.page);
  foreign.push(...blind.foreign);
  await blind.page.context().close();
});

await checks.run('on a phone nothing is wider than the screen', async () => {
  const phone = await openPage(browser, origin, { viewport: { width: 390, height: 844 } });
  for (const lang of ['fr', 'en']) {
    await phone.page.goto('about:blank');
    await phone.page.goto(`${options.url.replace(/\/$/, '')}/#lang=${lang}`);
    await mapIdle(phone.page);
    const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth);
    checks.ok(wide <= 390, `${lang}: ${wide} pixels wide`);
    await shot(`phone-${lang}`, phone.page);
  }
  foreign.push(...phone.foreign);
  await phone.page.context().close();
});

await checks.run('nothing was asked of another host, and the page complained of nothing', async () => {
  checks.equal(foreign.join('\n'), '');
  checks.equal(complaints.join('\n'), '');
});

await browser.close();
process.exit(checks.report());
