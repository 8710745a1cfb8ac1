// The style of the map, whole and local: no glyphs, no sprites, no tiles from anywhere.

const WIDTH = ['interpolate', ['exponential', 1.5], ['zoom'], 12, 1.4, 15, 4, 18, 12];
const BASE_WIDTH = ['interpolate', ['exponential', 1.5], ['zoom'], 12, 0.6, 15, 2.6, 18, 14];
const wider = (by) => ['interpolate', ['exponential', 1.5], ['zoom'], 12, 1.4 + by / 3, 15, 4 + by, 18, 12 + by];
const EMPTY = { type: 'FeatureCollection', features: [] };
const ROUND = { 'line-cap': 'round', 'line-join': 'round' };

export const GREY = '#8b9399';
export const CASING = '#22313a';

/** Layers that hold measured sections, for clicks and for tests. */
export const MEASURED = ['measured-solid', 'measured-dashed', 'measured-grey', 'measured-withheld'];

const kindIs = (kind) => ['==', ['get', 'kind'], kind];

/** The style for a territory: background, communes, buildings, streets, then the measured layer. */
export function style() {
  const drawn = (how) => ['==', ['get', 'drawn'], how];
  return {
    version: 8,
    sources: {
      base: { type: 'geojson', data: EMPTY },
      measured: { type: 'geojson', data: EMPTY },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': '#e9ebe6' } },
      {
        id: 'communes',
        type: 'fill',
        source: 'base',
        filter: kindIs('commune'),
        paint: { 'fill-color': '#f6f5f0' },
      },
      {
        id: 'buildings',
        type: 'fill',
        source: 'base',
        filter: kindIs('building'),
        minzoom: 13,
        paint: { 'fill-color': '#e2ded4', 'fill-outline-color': '#cfc9bb' },
      },
      {
        id: 'street-casing',
        type: 'line',
        source: 'base',
        filter: kindIs('street'),
        layout: ROUND,
        paint: {
          'line-color': '#c3c5c0',
          'line-width': ['interpolate', ['exponential', 1.5], ['zoom'], 12, 1, 15, 4, 18, 17],
        },
      },
      {
        id: 'streets',
        type: 'line',
        source: 'base',
        filter: kindIs('street'),
        layout: ROUND,
        paint: { 'line-color': '#ffffff', 'line-width': BASE_WIDTH },
      },
      {
        id: 'commune-limits',
        type: 'line',
        source: 'base',
        filter: kindIs('commune'),
        paint: { 'line-color': '#7d6b8f', 'line-width': 1.4, 'line-dasharray': [4, 2, 1, 2], 'line-opacity': 0.7 },
      },
      {
        id: 'measured-withheld',
        type: 'line',
        source: 'measured',
        filter: drawn('withheld'),
        layout: ROUND,
        paint: { 'line-color': GREY, 'line-width': ['interpolate', ['linear'], ['zoom'], 12, 0.6, 15, 1.2, 18, 2.4] },
      },
      {
        id: 'measured-casing',
        type: 'line',
        source: 'measured',
        filter: drawn('solid'),
        layout: ROUND,
        paint: { 'line-color': CASING, 'line-width': wider(2) },
      },
      {
        id: 'measured-dashed-casing',
        type: 'line',
        source: 'measured',
        filter: drawn('dashed'),
        layout: { 'line-join': 'round' },
        paint: { 'line-color': CASING, 'line-width': wider(2), 'line-opacity': 0.35 },
      },
      {
        id: 'measured-grey',
        type: 'line',
        source: 'measured',
        filter: drawn('grey'),
        paint: { 'line-color': GREY, 'line-width': WIDTH, 'line-dasharray': [0.5, 0.7] },
      },
      {
        id: 'measured-dashed',
        type: 'line',
        source: 'measured',
        filter: drawn('dashed'),
        paint: { 'line-color': GREY, 'line-width': WIDTH, 'line-opacity': 0.6, 'line-dasharray': [1.6, 0.7] },
      },
      {
        id: 'measured-solid',
        type: 'line',
        source: 'measured',
        filter: drawn('solid'),
        layout: ROUND,
        paint: { 'line-color': GREY, 'line-width': WIDTH },
      },
      {
        id: 'selected-casing',
        type: 'line',
        source: 'base',
        filter: ['==', ['get', 'id'], ''],
        layout: ROUND,
        paint: { 'line-color': '#000000', 'line-width': 4, 'line-gap-width': wider(3) },
      },
      {
        id: 'names',
        type: 'symbol',
        source: 'base',
        minzoom: 15.3,
        filter: ['all', kindIs('street'), ['has', 'name']],
        layout: {
          'symbol-placement': 'line',
          'symbol-spacing': 320,
          'text-field': ['get', 'name'],
          'text-font': ['sans-serif'],
          'text-size': 11.5,
          'text-max-angle': 35,
          'text-padding': 6,
        },
        paint: { 'text-color': '#2b3940', 'text-halo-color': '#ffffff', 'text-halo-width': 1.6 },
      },
    ],
  };
}

/** Colour of a line by its class, from one colour per class. */
export function classColour(colours) {
  if (!colours.length) return GREY;
  return ['match', ['coalesce', ['get', 'class'], -1], ...colours.flatMap((colour, ix) => [ix, colour]), GREY];
}
