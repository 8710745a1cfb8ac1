import { GeoJSONSource, Map as MapLibre, AttributionControl, NavigationControl, ScaleControl, setWorkerUrl } from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';

import { t } from '../i18n.js';
import { twoColours } from '../legend.js';
import { licenceName } from '../ui/parts.js';
import { readCamera, writeCamera } from '../view.js';
import { MEASURED, classColour, style } from './style.js';

setWorkerUrl(workerUrl);

/** Half the side of the square around a click in which a line counts as hit, pixels: a finger's width. */
const HIT_PX = 9;
const EMPTY = { type: 'FeatureCollection', features: [] };

/** Can this browser draw the map at all? */
export function canDraw() {
  try {
    return Boolean(document.createElement('canvas').getContext('webgl2'));
  } catch {
    return false;
  }
}

/**
 * The map of the page.
 * `onSection(id)` is called for a click on a measured section, `onMove(camera)` when the view has come to rest.
 */
export class TownMap {
  #territory;
  #credits = [];
  #attribution;

  constructor(container, { camera, onSection, onMove }) {
    const idle = (is) => (document.documentElement.dataset.mapIdle = String(is));
    idle(false);
    this.map = new MapLibre({
      container,
      style: style(),
      ...(readCamera(camera) ?? { center: [2.5, 46.6], zoom: 5 }),
      minZoom: 9,
      maxZoom: 19,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      attributionControl: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.getCanvas().setAttribute('aria-label', t('map.label'));
    this.map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
    this.map.addControl(new ScaleControl({ maxWidth: 110 }), 'bottom-right');
    this.map.on('idle', () => idle(true));
    for (const event of ['movestart', 'dataloading', 'styledata']) this.map.on(event, () => idle(false));
    this.map.on('moveend', () => onMove(writeCamera(this.map.getZoom(), this.map.getCenter())));
    this.map.on('click', (event) => {
      const feature = this.#hit(event.point);
      if (feature) onSection(feature.properties.section_id);
    });
    this.map.on('mousemove', (event) => {
      this.map.getCanvas().style.cursor = this.#hit(event.point, 3) ? 'pointer' : '';
    });
    this.ready = new Promise((resolve) => this.map.once('load', resolve));
  }

  /** The measured section at a pixel: the one right below it before one beside it. */
  #hit({ x, y }, reach = HIT_PX) {
    for (const by of [1, reach]) {
      const box = [
        [x - by, y - by],
        [x + by, y + by],
      ];
      const [found] = this.map.queryRenderedFeatures(box, { layers: MEASURED });
      if (found) return found;
    }
    return undefined;
  }

  /** Puts a territory under the layers; moves there unless a camera was asked for. */
  async showTerritory(territory, base, keepCamera) {
    await this.ready;
    this.#territory = territory.id;
    this.#source('base').setData(base);
    this.#source('measured').setData(EMPTY);
    if (territory.bounds && !keepCamera) {
      const [west, south, east, north] = territory.bounds;
      const bounds = [
        [west, south],
        [east, north],
      ];
      // The legend stands at the left of a wide map: streets should not begin under it.
      const wide = this.map.getContainer().clientWidth > 700;
      const padding = { top: 64, right: 40, bottom: 48, left: wide ? 320 : 24 };
      this.map.fitBounds(bounds, { padding, animate: false, maxZoom: 16 });
    }
    this.#credit(territory.attributions.map((one) => `${one.credit} (${licenceName(one.licence)})`));
  }

  /** Shows a measured layer in the legend's colours; without one, the streets alone. */
  async showLayer(data, classes) {
    await this.ready;
    this.#source('measured').setData(data ?? EMPTY);
    const colours = (classes ?? []).map((one) => one.colour);
    this.map.setPaintProperty('measured-solid', 'line-color', classColour(colours));
    this.map.setPaintProperty('measured-dashed', 'line-color', classColour(classes ? twoColours(classes) : []));
  }

  /** Outlines a section, and brings it into view where it lies outside. */
  async select(id, middle) {
    await this.ready;
    this.map.setFilter('selected-casing', ['==', ['get', 'id'], id ?? '']);
    if (!id || !middle) return;
    const far = !this.map.getBounds().contains(middle) || this.map.getZoom() < 14;
    if (far) this.map.jumpTo({ center: middle, zoom: Math.max(this.map.getZoom(), 15.5) });
  }

  /** Says in the page's language what the map is. */
  relabel() {
    this.map.getCanvas().setAttribute('aria-label', t('map.label'));
  }

  #source(name) {
    const source = this.map.getSource(name);
    if (!(source instanceof GeoJSONSource)) throw new Error(`the map has no source "${name}"`);
    return source;
  }

  #credit(credits) {
    const lines = [...new Set(credits)];
    if (lines.join() === this.#credits.join()) return;
    this.#credits = lines;
    if (this.#attribution) this.map.removeControl(this.#attribution);
    // Attributions are set as HTML by the control: only text goes in.
    const text = lines.map((line) => line.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`));
    this.#attribution = new AttributionControl({ compact: false, customAttribution: text });
    this.map.addControl(this.#attribution, 'bottom-right');
  }
}
