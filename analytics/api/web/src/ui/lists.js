import { classColourOf, classLabel, reading } from '../legend.js';
import { downloadUrl } from '../api.js';
import { h } from '../dom.js';
import { count, currentLang, date, fixed, number, pick, t } from '../i18n.js';
import { confidenceName, licenceName, ruleName, streetName, swatch } from './parts.js';

/** Rows put on the page at once: enough to scroll, few enough to stay quick on a phone. */
const STEP = 60;

/** A list that grows by steps. */
function growing(rows, draw, wrap) {
  const list = wrap();
  const more = h('button', { type: 'button', class: 'more' }, t('more'));
  let shown = 0;
  const grow = () => {
    list.append(...rows.slice(shown, shown + STEP).map(draw));
    shown = Math.min(rows.length, shown + STEP);
    more.hidden = shown >= rows.length;
  };
  more.addEventListener('click', grow);
  grow();
  return [list, more];
}

/** Recommendations, by rank: the first of each rule before the second of any, since scores of two rules do not compare. */
export function priorities({ rows, withheld = 0, rule, selected, onRule, onSection }) {
  const kept = withheld > 0 && h('p', { class: 'hint', id: 'advice-withheld' }, count('n.advice_withheld', withheld));
  if (!rows.length) return [kept || h('p', { class: 'hint' }, t('recommendations.none'))];
  const rules = [...new Set(rows.map((row) => row.rule))];
  const chosen = rows.filter((row) => !rule || row.rule === rule);
  const ordered = [...chosen].sort((a, b) => a.rank - b.rank || a.rule.localeCompare(b.rule));
  const choose = h(
    'label',
    { class: 'filter' },
    h('span', {}, t('rule')),
    h(
      'select',
      { id: 'rule', onchange: (event) => onRule(event.target.value) },
      h('option', { value: '' }, `${t('rule.all')} (${number(rows.length, 0)})`),
      rules.map((one) => {
        const count = rows.filter((row) => row.rule === one).length;
        return h('option', { value: one, selected: one === rule }, `${ruleName(one)} (${number(count, 0)})`);
      }),
    ),
  );
  const item = (row) =>
    h(
      'li',
      {},
      h(
        'button',
        {
          type: 'button',
          class: 'item',
          'aria-current': row.section_id === selected ? 'true' : undefined,
          data: { section: row.section_id, rule: row.rule },
          onclick: () => onSection(row.section_id, row.middle),
        },
        h('span', { class: 'rank', title: t('rank') }, number(row.rank, 0)),
        h(
          'span',
          { class: 'body' },
          h('strong', {}, streetName(row.street)),
          h('span', { class: 'action' }, pick({ fr: row.action_fr, en: row.action_en })),
          h('span', { class: 'hint' }, `${ruleName(row.rule)} · ${t('confidence.said', { level: confidenceName(row.confidence) })}`),
        ),
        h('span', { class: 'score', title: t('score') }, fixed(row.score, 2)),
      ),
    );
  return [choose, growing(ordered, item, () => h('ol', { class: 'items', id: 'recommendations' })), kept];
}

/** The layer as a table: the same facts for those who do not see the map. */
export function table({ layer, legend, query, onQuery, onSection }) {
  if (!layer) return [h('p', { class: 'hint' }, t('table.choose'))];
  const all = layer.features.map((feature) => feature.properties);
  const rows = all.filter((row) => !row.withheld);
  const withheld = all.length > rows.length ? count('n.withheld', all.length - rows.length) : '';
  if (!rows.length) return [h('p', { class: 'hint' }, [t('table.empty'), withheld].filter(Boolean).join(' · '))];
  const worstFirst = legend?.higher_is_worse === false ? 1 : -1;
  const sorted = [...rows].sort((a, b) => worstFirst * (a.value - b.value));
  const holder = h('div', { class: 'rows' });
  const fold = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  const draw = (row) =>
    h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        h(
          'button',
          { type: 'button', class: 'link', data: { section: row.section_id }, onclick: () => onSection(row.section_id) },
          streetName(row.name),
        ),
      ),
      h('td', { class: 'number' }, reading(row.indicator, row.value, legend?.decimals ?? 2)),
      h('td', {}, swatch(classColourOf(legend, row), row.drawn), classLabel(legend, row)),
      h('td', { class: 'number' }, row.origin === 'partner' && !row.n_passes ? '–' : number(row.n_passes, 0)),
      h('td', {}, confidenceName(row.confidence)),
    );
  const show = (text) => {
    const wanted = fold(text);
    const kept = wanted ? sorted.filter((row) => fold(streetName(row.name)).includes(wanted)) : sorted;
    const heads = [
      [t('table.street')],
      [`${t('table.value')} (${legend?.unit ?? ''})`, 'number'],
      [t('table.class')],
      [t('table.passes'), 'number'],
      [t('table.confidence')],
    ];
    const body = h('tbody', {});
    const [list, more] = growing(kept, draw, () => body);
    holder.replaceChildren(
      h(
        'table',
        { class: 'layer' },
        h(
          'caption',
          {},
          `${legend ? pick(legend.label) : ''} – ${count('n.sections', kept.length)}${withheld && ` · ${withheld}`}`,
        ),
        h('thead', {}, h('tr', {}, heads.map(([name, kind]) => h('th', { scope: 'col', class: kind }, name)))),
        list,
      ),
      more,
    );
  };
  const search = h('input', {
    type: 'search',
    id: 'street-search',
    value: query ?? '',
    placeholder: t('table.search'),
    'aria-label': t('table.search'),
    oninput: (event) => {
      onQuery(event.target.value);
      show(event.target.value);
    },
  });
  show(query ?? '');
  return [search, holder];
}

/** Files by commune, then where everything comes from. */
export function downloads({ territory, generatedAt, dataVersion }) {
  const spreadsheet = ['csvfr', 'csv', 'fr'];
  const kinds = [['gpkg', 'gpkg'], spreadsheet, ['csv', 'csv'], ['geojson', 'geojson']];
  return [
    h('p', { class: 'hint' }, t('downloads.intro')),
    territory.communes.map((commune) =>
      h(
        'section',
        { class: 'commune', data: { commune: commune.code_insee } },
        h('h3', {}, commune.name, ' ', h('small', {}, commune.code_insee)),
        h(
          'ul',
          {},
          kinds.map(([name, extension, variant]) =>
            h(
              'li',
              {},
              h(
                'a',
                {
                  href: downloadUrl(territory.id, commune.code_insee, extension, variant),
                  download: true,
                  hreflang: currentLang(),
                  data: { format: name },
                },
                t(`downloads.${name}`),
              ),
              h('span', { class: 'hint' }, t(`downloads.${name}.hint`)),
            ),
          ),
        ),
      ),
    ),
    h('h3', {}, t('sources')),
    h(
      'ul',
      { class: 'sources' },
      territory.attributions.map((one) =>
        h('li', {}, h('strong', {}, one.credit), ' ', h('span', { class: 'hint' }, [one.source, licenceName(one.licence)].join(' · '))),
      ),
    ),
    h('p', { class: 'version' }, t('data.version', { version: dataVersion, date: date(generatedAt) })),
  ];
}
