// What the legend of a territory says, looked up; nothing about drawing on the page here.
import { count, fixed, number, pick, quantity, t } from './i18n.js';

/** The theme's part of a legend. */
export const themeLegend = (legend, theme) => legend?.themes.find((one) => one.theme === theme);

/** The legend of one indicator; without a name, the headline of the theme. */
export function indicatorLegend(legend, theme, indicator) {
  const indicators = themeLegend(legend, theme)?.indicators ?? [];
  return indicators.find((one) => one.indicator === indicator) ?? indicators[0];
}

/** The legend of an indicator by its name alone. */
export const anyLegend = (legend, indicator) =>
  legend?.themes.flatMap((theme) => theme.indicators).find((one) => one.indicator === indicator);

/**
 * Two classes for values of medium confidence: rather good and rather bad. Colours of the second class and of the first
 * of the worse half, so that no extreme is claimed.
 */
export function twoColours(classes) {
  const half = Math.ceil(classes.length / 2);
  const good = classes[Math.min(1, half - 1)];
  const bad = classes[half] ?? good;
  return classes.map((_, ix) => (ix < half ? good.colour : bad.colour));
}

/** Limits of a class in words of numbers: "≤ 5", "5 à 15", "> 140". */
export function limits({ from, to }, decimals) {
  const shown = (value) => number(value, Math.max(decimals, 2));
  if (from === null && to === null) return '';
  if (from === null) return `≤\u00a0${shown(to)}`;
  if (to === null) return `>\u00a0${shown(from)}`;
  return t('interval.range', { lo: shown(from), hi: shown(to) });
}

/** What a confidence asks for: "au moins 10 passages, 3 jours". */
export function gateText(theme, confidence) {
  const gate = theme?.gates.find((one) => one.confidence === confidence);
  return gate ? t('legend.gate', { passes: count('n.passes', gate.passes), days: count('n.days', gate.days) }) : '';
}

/**
 * The weakest signal that a terminal reports (3GPP TS 36.133, RSRP_00): at or below it there is none to speak of.
 * Compared as it would be printed, in whole dBm, so that the number itself never stands on the page.
 */
const NO_SERVICE_DBM = -140;
const noService = (indicator, value) =>
  indicator?.startsWith('rsrp_dbm') && typeof value === 'number' && Math.round(value) <= NO_SERVICE_DBM;

/** A value of an indicator without its unit, for columns; a signal that is none is said in words. */
export const reading = (indicator, value, decimals) =>
  noService(indicator, value) ? t('no_service') : fixed(value, decimals);

/** The same with its unit. */
export const readingWithUnit = (indicator, value, unit, decimals) =>
  noService(indicator, value) ? t('no_service') : quantity(value, unit, decimals);

/** Name of a section's class as it may be said for this drawing. */
export function classLabel(legend, row) {
  if (row.class === null || row.class === undefined || row.drawn === 'grey') return t('class.unconfirmed');
  const classes = legend?.classes ?? [];
  if (row.drawn === 'dashed') return t(row.class < Math.ceil(classes.length / 2) ? 'class.rather_good' : 'class.rather_bad');
  return pick(classes[row.class]?.label);
}

/** Colour of a section for this drawing. */
export function classColourOf(legend, row) {
  if (row.class === null || row.class === undefined || row.drawn === 'grey' || !legend) return undefined;
  return row.drawn === 'dashed' ? twoColours(legend.classes)[row.class] : legend.classes[row.class]?.colour;
}
