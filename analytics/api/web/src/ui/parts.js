import { h } from '../dom.js';
import { has, t } from '../i18n.js';

/** A small label that says where a value comes from; the word stands there, colour only helps. */
export const badge = (origin) => h('span', { class: `badge badge-${origin}` }, t(`badge.${origin}`));

/** A class swatch with its drawing (solid, dashed, grey). */
export const swatch = (colour, drawn = 'solid') =>
  h('span', { class: `swatch swatch-${drawn}`, 'aria-hidden': 'true', style: colour ? { '--colour': colour } : {} });

/** Name of a street, or that it has none. */
export const streetName = (name) => name || t('street.unnamed');

/** Name of a rule; a rule that this page does not know yet shows its id. */
export const ruleName = (rule) => (has(`rule.${rule}`) ? t(`rule.${rule}`) : rule.replaceAll('_', ' '));

const LICENCES = { 'etalab-2.0': 'Licence Ouverte 2.0', 'ODbL-1.0': 'ODbL 1.0', 'CC-BY-4.0': 'CC BY 4.0' };

/** Name of a licence as its readers know it; an unknown one shows its identifier. */
export const licenceName = (licence) => LICENCES[licence] ?? licence;

/** Name of a confidence. */
export const confidenceName = (confidence) => t(`confidence.${confidence}`);

/** Two-column facts; pairs without a value are left out. */
export const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    pairs
      .filter(([, value]) => value !== undefined && value !== null && value !== '')
      .map(([label, value, data]) => h('div', {}, h('dt', {}, label), h('dd', data ? { data } : {}, value))),
  );

/** A message with what to do next. */
export const notice = (title, text, ...more) =>
  h('div', { class: 'notice', role: 'status' }, h('strong', {}, title), text && h('p', {}, text), more);
