import { anyLegend, classColourOf, classLabel, reading, readingWithUnit } from '../legend.js';
import { h } from '../dom.js';
import { count, date, fixed, number, pick, t, week } from '../i18n.js';
import { badge, confidenceName, facts, ruleName, streetName, swatch } from './parts.js';

/** Everything about one section: what to do and why, then each value with what stands behind it. */
export function drawer({ explanation, legend, theme, shown, onClose }) {
  const { section, indicators, recommendations } = explanation;
  // What the map shows comes first, then the rest of its theme.
  const nearness = (one) => Number(one.indicator === shown?.indicator) * 2 + Number(one.theme === theme);
  const ordered = [...indicators].sort((a, b) => nearness(b) - nearness(a));
  const origins = [...new Set(indicators.map((one) => one.origin))];
  return h(
    'section',
    { class: 'drawer', id: 'drawer', tabindex: '-1', 'aria-label': t('drawer.label'), data: { section: section.id } },
    h('button', { type: 'button', class: 'back', onclick: onClose }, '← ', t('back')),
    h('h2', {}, streetName(section.name)),
    h(
      'p',
      { class: 'where' },
      [section.commune, `${number(section.length_m, 0)}\u00a0m`].filter(Boolean).join(' · '),
      ' ',
      h('span', { class: 'id' }, section.id),
    ),
    recommendations.map((one) => reasons(one, legend)),
    explanation.recommendations_withheld > 0 &&
      h('p', { class: 'hint' }, count('n.advice_withheld', explanation.recommendations_withheld)),
    h('h3', {}, t('measures')),
    ordered.length
      ? ordered.map((one, ix) => measure(one, anyLegend(legend, one.indicator), ix === 0))
      : h('p', {}, t('measures.none')),
    h(
      'aside',
      { class: 'simulated' },
      h('h3', {}, t('simulated.title')),
      h('p', {}, origins.map(badge), ' ', pick(explanation.statement)),
      h(
        'p',
        { class: 'version' },
        t('data.version', { version: explanation.data_version, date: date(explanation.generated_at) }),
      ),
    ),
  );
}

function measure(row, legend, open) {
  if (row.withheld) {
    return h(
      'div',
      { class: 'measure withheld', data: { indicator: row.indicator, withheld: row.reason } },
      h('span', { class: 'what' }, pick(row.label ?? row.indicator)),
      h('span', {}, t(`withheld.${row.reason}`)),
    );
  }
  const decimals = legend?.decimals ?? 2;
  const partner = row.origin === 'partner' && !row.n_passes;
  const counted = (n) => (partner ? t('passes.unknown') : number(n, 0));
  const range =
    row.lo === null || row.hi === null
      ? partner
        ? t('passes.unknown')
        : t('interval.none')
      : t('interval.range', {
          lo: reading(row.indicator, row.lo, decimals),
          hi: readingWithUnit(row.indicator, row.hi, row.unit, decimals),
        });
  const days =
    row.first_date && (row.first_date === row.last_date
      ? partner
        ? date(row.first_date)
        : t('dates.week', { from: date(row.first_date) })
      : partner
        ? t('interval.range', { lo: date(row.first_date), hi: date(row.last_date) })
        : t('dates.range', { from: date(row.first_date), to: date(row.last_date) }));
  return h(
    'details',
    { class: 'measure', open, data: { indicator: row.indicator } },
    h(
      'summary',
      {},
      h('span', { class: 'what' }, pick(row.label ?? row.indicator)),
      h('strong', { data: { field: 'value' } }, readingWithUnit(row.indicator, row.value, row.unit, decimals)),
      h('span', { class: 'verdict' }, swatch(classColourOf(legend, row), row.drawn), classLabel(legend, row)),
    ),
    facts([
      [t('interval'), range, { field: 'interval' }],
      [t('passes'), counted(row.n_passes), { field: 'passes' }],
      [t('days'), counted(row.n_days), { field: 'days' }],
      [t('boxes'), counted(row.n_boxes), { field: 'boxes' }],
      [t('dates'), days],
      [t('confidence'), confidenceName(row.confidence), { field: 'confidence' }],
      [t('origin'), badge(row.origin)],
    ]),
    passes(row, decimals, partner),
    legend && !partner && h('p', { class: 'caption' }, pick(legend.caption)),
  );
}

function passes(row, decimals, partner) {
  if (partner) return h('p', { class: 'hint' }, t('perpass.partner'));
  const { weeks, passes: unlisted } = row.weeks_withheld;
  const kept =
    weeks > 0 &&
    h('p', { class: 'hint' }, t('perpass.weeks_withheld', { weeks: number(weeks, 0), passes: count('n.passes', unlisted) }));
  if (!row.passes.length) return kept;
  return h(
    'details',
    { class: 'passes' },
    h('summary', {}, `${t('perpass')} (${row.passes.length})`),
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, t('perpass.week')),
          h('th', { scope: 'col', class: 'number' }, row.unit || t('table.value')),
        ),
      ),
      h(
        'tbody',
        {},
        row.passes.map((pass) =>
          h(
            'tr',
            {},
            h('td', {}, week(pass.week)),
            h('td', { class: 'number' }, reading(row.indicator, pass.value, decimals)),
          ),
        ),
      ),
    ),
    kept,
  );
}

function reasons(one, legend) {
  return h(
    'article',
    { class: 'advice', data: { rule: one.rule } },
    h('p', { class: 'rule' }, ruleName(one.rule)),
    h('p', { class: 'action' }, pick({ fr: one.action_fr, en: one.action_en })),
    h(
      'p',
      { class: 'rank' },
      t('why.rank', { rank: number(one.rank, 0), score: fixed(one.score, 2) }),
      ' · ',
      t('confidence.said', { level: confidenceName(one.confidence) }),
    ),
    h('h4', {}, t('why')),
    h(
      'ul',
      { class: 'reasons' },
      one.reasons.map((reason) => why(reason, one.score, anyLegend(legend, reason.input)?.decimals)),
    ),
  );
}

function why(reason, score, decimals = 2) {
  const share = score > 0 ? Math.min(1, Math.max(0, reason.contribution / score)) : 0;
  const unit = pick({ fr: reason.unit, en: reason.unit_en || reason.unit });
  const threshold = pick({ fr: reason.threshold, en: reason.threshold_en || reason.threshold });
  const plain = `${number(reason.value, decimals)}${unit ? `\u00a0${unit}` : ''}`;
  const said = readingWithUnit(reason.input, reason.value, unit, decimals);
  const value = said === t('no_service') ? said : plain;
  const behind = reason.n_passes !== null && reason.n_passes !== undefined && `${count('n.passes', reason.n_passes)}, ${count('n.days', reason.n_days ?? 0)}`;
  return h(
    'li',
    {},
    h('p', {}, h('span', {}, pick({ fr: reason.label_fr, en: reason.label_en })), h('strong', {}, value)),
    h('span', { class: 'share', 'aria-hidden': 'true', style: { '--share': `${Math.round(share * 100)}%` } }),
    h(
      'p',
      { class: 'hint' },
      [
        t('why.contribution', { value: fixed(reason.contribution, 2) }),
        threshold && t('why.threshold', { threshold }),
        behind,
      ]
        .filter(Boolean)
        .join(' · '),
      ' ',
      badge(reason.origin),
    ),
  );
}
