// What is being looked at, kept in the address: a link shows its reader the same thing.

const KEYS = ['territory', 'theme', 'indicator', 'section', 'tab', 'rule', 'lang', 'at'];

/** The view that the address describes. */
export function readView(hash = location.hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const view = {};
  for (const key of KEYS) {
    const value = parameters.get(key);
    if (value) view[key] = value;
  }
  return view;
}

/** The address of a view, in a fixed order of keys. */
export function viewHash(view) {
  const parameters = new URLSearchParams();
  for (const key of KEYS) if (view[key]) parameters.set(key, view[key]);
  return `#${parameters}`;
}

/** Writes the view into the address without a step in the history. */
export const writeView = (view) => history.replaceState(null, '', viewHash(view));

/** "zoom/lat/lon" to a camera, or nothing where it is not one. */
export function readCamera(text) {
  const [zoom, lat, lon] = (text ?? '').split('/').map(Number);
  const sound = zoom >= 0 && zoom <= 24 && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return sound ? { zoom, center: [lon, lat] } : undefined;
}

/** A camera to "zoom/lat/lon". */
export const writeCamera = (zoom, { lat, lng }) => `${zoom.toFixed(1)}/${lat.toFixed(4)}/${lng.toFixed(4)}`;
