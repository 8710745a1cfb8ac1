import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../src/', import.meta.url);
const strings = JSON.parse(readFileSync(new URL('strings.json', root), 'utf8'));
const sources = readdirSync(root, { recursive: true })
  .filter((name) => name.endsWith('.js'))
  .map((name) => [name, readFileSync(new URL(name, root), 'utf8')]);

test('French and English have the same texts, none empty, with the same blanks', () => {
  const { fr, en } = strings;
  assert.deepEqual(Object.keys(en).sort(), Object.keys(fr).sort());
  const blanks = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
  for (const key of Object.keys(fr)) {
    assert.ok(fr[key].trim() && en[key].trim(), key);
    assert.deepEqual(blanks(en[key]), blanks(fr[key]), key);
  }
});

test('every text that the page asks for exists', () => {
  for (const [name, source] of sources) {
    for (const [, key] of source.matchAll(/\bt\('([\w.]+)'/g)) assert.ok(key in strings.fr, `${name}: ${key}`);
    for (const [, key] of source.matchAll(/\bcount\('([\w.]+)'/g)) {
      assert.ok(`${key}.one` in strings.fr && `${key}.other` in strings.fr, `${name}: ${key}`);
    }
  }
});

test('no source names another host', () => {
  for (const [name, source] of sources) assert.doesNotMatch(source, /https?:\/\//, name);
});
