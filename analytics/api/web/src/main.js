import * as api from './api.js';
import { fill, h } from './dom.js';
import { currentLang, t, useLang } from './i18n.js';
import { indicatorLegend, themeLegend } from './legend.js';
import { TownMap, canDraw } from './map/map.js';
import { drawer } from './ui/drawer.js';
import { header, indicators, statement, themes } from './ui/header.js';
import { legendPanel } from './ui/legend.js';
import { downloads, priorities, table } from './ui/lists.js';
import { notice } from './ui/parts.js';
import { readView, viewHash, writeView } from './view.js';
// After the map's own sheet, which it corrects in places.
import './style.css';

const THEMES = ['air', 'road', 'mobile', 'heat'];
const TABS = ['priorities', 'table', 'downloads'];
/** Below this width the panel lies under the map. */
const NARROW_PX = 760;

const view = readView();
const state = { data: undefined, explanation: undefined, query: '', legendOpen: innerWidth > NARROW_PX };
let town;
/** Grows with each change of view: an answer that comes for an older one is dropped. */
let turn = 0;

useLang(view.lang ?? document.documentElement.lang);

const parts = {
  header: h('div', { class: 'head' }),
  themes: h('div', { class: 'bar' }),
  legend: h('div', { class: 'legend-holder' }),
  canvas: h('div', { class: 'canvas', id: 'map' }),
  panel: h('div', { class: 'panel', id: 'panel', tabindex: '-1' }),
};
const stage = h('div', { class: 'stage' }, parts.canvas, parts.themes, parts.legend);
document.getElementById('app').append(parts.header, h('main', {}, stage, parts.panel));

const territory = () => state.data?.territories.find((one) => one.id === view.territory) ?? state.data?.territories[0];
const themeHere = (theme) => territory()?.themes.find((one) => one.theme === theme);

/** Brings the view to something that exists: a link may be older than the data. */
function settle() {
  const here = territory();
  view.territory = here.id;
  if (view.theme !== 'none' && !themeHere(view.theme)) view.theme = THEMES.find(themeHere) ?? 'none';
  if (!themeHere(view.theme)?.indicators.includes(view.indicator)) delete view.indicator;
  if (!TABS.includes(view.tab)) delete view.tab;
}

const remember = () => writeView({ ...view, lang: currentLang() });

function drawHeader() {
  fill(
    parts.header,
    header({ territories: state.data.territories, current: territory(), onTerritory: goTerritory, onLang: goLang }),
    statement(territory()),
  );
}

function drawBar() {
  const legends = themeLegend(state.legend, view.theme)?.indicators ?? [];
  const current = state.shown?.indicator;
  fill(
    parts.themes,
    themes({ territory: territory(), current: view.theme, onTheme: goTheme }),
    indicators({ legends, current, onIndicator: goIndicator }),
  );
  fill(
    parts.legend,
    legendPanel({
      legend: state.legend,
      theme: view.theme,
      shown: state.layer && state.shown,
      partner: state.layer?.features.length && state.layer.features.every(({ properties: p }) => p.origin === 'partner'),
      withheld: state.layer?.withheld,
      open: state.legendOpen,
      onToggle: (open) => (state.legendOpen = open),
    }),
  );
}

function drawPanel() {
  if (state.explanation) {
    const shown = drawer({ ...state, theme: view.theme, onClose: () => goSection(undefined) });
    fill(parts.panel, shown);
    return;
  }
  const tab = view.tab ?? 'priorities';
  const content = {
    priorities: () =>
      priorities({
        rows: state.recommendations ?? [],
        withheld: state.adviceWithheld,
        rule: view.rule,
        onRule: goRule,
        onSection: (id, middle) => goSection(id, middle),
      }),
    table: () =>
      table({
        layer: state.layer,
        legend: state.shown,
        query: state.query,
        onQuery: (query) => (state.query = query),
        onSection: (id) => goSection(id),
      }),
    downloads: () =>
      downloads({
        territory: territory(),
        generatedAt: state.data.generated_at,
        dataVersion: state.data.data_version,
      }),
  }[tab];
  const tabs = h(
    'div',
    { class: 'tabs', role: 'tablist', 'aria-label': t('tabs'), onkeydown: moveTab },
    TABS.map((name) =>
      h(
        'button',
        {
          type: 'button',
          role: 'tab',
          id: `tab-${name}`,
          'aria-selected': String(name === tab),
          'aria-controls': 'tabpanel',
          tabindex: name === tab ? '0' : '-1',
          onclick: () => goTab(name),
        },
        t(`tab.${name}`),
      ),
    ),
  );
  fill(
    parts.panel,
    tabs,
    h('div', { role: 'tabpanel', id: 'tabpanel', 'aria-labelledby': `tab-${tab}`, tabindex: '0' }, content()),
  );
}

function moveTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = TABS.indexOf(view.tab ?? 'priorities');
  const next = TABS[(at + step + TABS.length) % TABS.length];
  goTab(next);
  document.getElementById(`tab-${next}`)?.focus();
}

function drawAll() {
  drawHeader();
  drawBar();
  drawPanel();
  remember();
}

/** Fetches what the view shows and draws it; what was asked for meanwhile wins. */
async function show({ moved = false } = {}) {
  const mine = ++turn;
  settle();
  const here = territory();
  const theme = view.theme;
  drawHeader();
  try {
    const [legend, recommendations, layer] = await Promise.all([
      api.legend(here.id),
      api.recommendations(here.id),
      theme === 'none' ? undefined : api.layer(here.id, theme, view.indicator),
    ]);
    if (mine !== turn) return;
    state.legend = legend;
    state.recommendations = recommendations.recommendations;
    state.adviceWithheld = recommendations.withheld;
    state.layer = layer;
    state.shown = theme === 'none' ? undefined : indicatorLegend(legend, theme, view.indicator);
    drawAll();
    if (town && state.onMap !== here.id) {
      const base = await api.base(here.id);
      if (mine !== turn) return;
      const keepCamera = !moved && Boolean(view.at);
      state.onMap = here.id;
      await town.showTerritory(here, base, keepCamera);
    }
    await town?.showLayer(layer, state.shown?.classes);
    if (mine === turn && view.section) await explain(view.section);
  } catch (error) {
    if (mine === turn) complain(error);
  }
}

async function explain(id, middle, { focus = false } = {}) {
  const here = territory().id;
  try {
    const explanation = await api.section(here, id);
    if (view.section !== id || territory().id !== here) return;
    state.explanation = explanation;
    drawPanel();
    remember();
    parts.panel.scrollTop = 0;
    if (focus) document.getElementById('drawer')?.focus();
    await town?.select(id, middle ?? explanation.section.middle);
  } catch (error) {
    if (error.status !== 404) throw error;
    delete view.section;
    remember();
  }
}

function goSection(id, middle) {
  if (!id) {
    const left = view.section;
    delete view.section;
    state.explanation = undefined;
    town?.select(undefined);
    drawPanel();
    remember();
    // Back to where the reader came from, for those who go by keyboard.
    const from = [...parts.panel.querySelectorAll('button[data-section]')].find((one) => one.dataset.section === left);
    (from ?? parts.panel).focus();
    return undefined;
  }
  view.section = id;
  return explain(id, middle, { focus: true }).catch(complain);
}

function leaveSection() {
  delete view.section;
  state.explanation = undefined;
  town?.select(undefined);
}

function goTerritory(id) {
  leaveSection();
  Object.assign(view, { territory: id });
  delete view.rule;
  delete view.indicator;
  delete view.at;
  state.query = '';
  return show({ moved: true });
}

function goTheme(theme) {
  view.theme = theme;
  delete view.indicator;
  return show();
}

function goIndicator(indicator) {
  view.indicator = indicator;
  return show();
}

function goTab(tab) {
  view.tab = tab;
  drawPanel();
  remember();
}

function goRule(rule) {
  view.rule = rule;
  drawPanel();
  remember();
}

function goLang(lang) {
  view.lang = useLang(lang);
  town?.relabel();
  drawAll();
}

function complain(error) {
  console.error(error);
  const again = h('button', { type: 'button', onclick: start }, t('error.retry'));
  fill(parts.panel, notice(t('error.title'), [error.message, error.advice].filter(Boolean).join(' '), again));
}

function startMap() {
  const withoutMap = () => {
    town = undefined;
    document.documentElement.dataset.map = 'none';
    view.tab = 'table';
    fill(parts.canvas, notice(t('map.missing')));
  };
  if (!canDraw()) return withoutMap();
  try {
    town = new TownMap(parts.canvas, {
      camera: view.at,
      onSection: (id) => goSection(id),
      onMove: (camera) => {
        // Before a territory is on the map its camera is nobody's view.
        if (!state.onMap) return;
        view.at = camera;
        remember();
      },
    });
  } catch (error) {
    console.error(error);
    return withoutMap();
  }
  return undefined;
}

async function start() {
  fill(parts.panel, h('p', { class: 'hint', role: 'status' }, t('loading')));
  try {
    state.data = await api.territories();
    if (!state.data.territories.length) return fill(parts.panel, notice(t('error.empty')));
    await show();
  } catch (error) {
    complain(error);
  }
  return undefined;
}

addEventListener('hashchange', () => {
  const wanted = readView();
  if (viewHash({ ...view, lang: currentLang() }) === viewHash({ ...wanted, lang: wanted.lang ?? currentLang() })) return;
  for (const key of Object.keys(view)) delete view[key];
  Object.assign(view, wanted);
  if (wanted.lang) useLang(wanted.lang);
  state.explanation = undefined;
  show({ moved: true }).catch(complain);
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && state.explanation) goSection(undefined);
});

startMap();
const ready = start();
// For tests in a browser: the map itself and a promise of the first complete view.
window.tournee = { map: town?.map, ready };
