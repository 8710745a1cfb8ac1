import assert from 'node:assert/strict';
import { test } from 'node:test';

import { limits, reading, readingWithUnit, twoColours } from '../src/legend.js';
import { date, number, quantity, useLang, week } from '../src/i18n.js';
import { readCamera, readView, viewHash, writeCamera } from '../src/view.js';

globalThis.document = { documentElement: {} };

test('a view survives its way through the address', () => {
  const view = { territory: 'redon', theme: 'air', section: 'w1-n2-0', lang: 'en', at: '15.2/47.6500/-2.0900' };
  assert.deepEqual(readView(viewHash(view)), view);
  assert.deepEqual(readView('#nonsense=1&theme='), {});
});

test('a camera that is none is refused', () => {
  assert.deepEqual(readCamera('15/47.65/-2.09'), { zoom: 15, center: [-2.09, 47.65] });
  for (const text of [undefined, '', '15', '15/91/0', 'a/b/c', '99/0/0']) assert.equal(readCamera(text), undefined, text);
  assert.equal(writeCamera(15.234, { lat: 47.65, lng: -2.09 }), '15.2/47.6500/-2.0900');
});

test('numbers and dates are written as the language writes them', () => {
  useLang('fr');
  assert.equal(number(1234.5), '1\u202f234,5');
  assert.equal(quantity(12.34, 'µg/m³', 1), '12,3\u00a0µg/m³');
  assert.equal(date('2026-01-05'), '05/01/2026');
  useLang('en');
  assert.equal(number(1234.5), '1,234.5');
  assert.equal(number(Number.NaN), '–');
  useLang('xx');
  assert.equal(document.documentElement.lang, 'fr');
});

test('weeks, and a signal that is none, are said in words', () => {
  useLang('fr');
  assert.equal(week('2026-W04'), 'semaine 4 de 2026');
  assert.equal(week(''), '');
  assert.equal(reading('rsrp_dbm_20801', -140, 0), 'sans service');
  assert.equal(readingWithUnit('rsrp_dbm', -144, 'dBm', 0), 'sans service');
  assert.equal(readingWithUnit('rsrp_dbm', -139.4, 'dBm', 0), '-139\u00a0dBm');
  assert.equal(reading('facade_delta_k', -141, 0), '-141');
  assert.equal(reading('rsrp_dbm', null, 0), '–');
});

test('medium confidence shows two classes only, and no extreme', () => {
  for (const n of [2, 3, 4, 5, 6]) {
    const classes = Array.from({ length: n }, (_, ix) => ({ colour: `c${ix}` }));
    const colours = twoColours(classes);
    assert.equal(new Set(colours).size, 2, String(n));
    if (n > 3) assert.ok(!colours.includes('c0') && !colours.includes(`c${n - 1}`), colours.join());
  }
});

test('open ends of classes are said', () => {
  useLang('fr');
  assert.equal(limits({ from: null, to: 5 }, 1), '≤\u00a05');
  assert.equal(limits({ from: 5, to: 15 }, 1), '5 à 15');
  assert.equal(limits({ from: 140, to: null }, 1), '>\u00a0140');
});
