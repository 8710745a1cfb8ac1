import { gateText, limits, themeLegend, twoColours } from '../legend.js';
import { h } from '../dom.js';
import { pick, t } from '../i18n.js';
import { swatch } from './parts.js';

/** The legend of the layer on show: classes with their limits and unit, then how far to trust a line. */
export function legendPanel({ legend, theme, shown, partner, open, onToggle }) {
  if (!shown) return h('div', { hidden: true });
  const rules = themeLegend(legend, theme);
  const two = [...new Set(twoColours(shown.classes))];
  const drawing = (confidence) => pick(shown.drawing.find((one) => one.confidence === confidence)?.text);
  const trust = partner
    ? [h('li', {}, swatch(undefined, 'solid'), t('legend.partner'))]
    : [
        ['high', h('span', { class: 'swatches' }, swatch(shown.classes[0]?.colour, 'solid'))],
        ['medium', h('span', { class: 'swatches' }, two.map((colour) => swatch(colour, 'dashed')))],
        // A theme that never gives a low confidence still draws what is insufficient, in the same grey.
        [gateText(rules, 'low') ? 'low' : 'insufficient', h('span', { class: 'swatches' }, swatch(undefined, 'grey'))],
      ]
        .filter(([confidence]) => drawing(confidence))
        .map(([confidence, sample]) =>
          h('li', {}, sample, h('span', {}, drawing(confidence), gateText(rules, confidence) && h('small', {}, gateText(rules, confidence)))),
        );
  return h(
    'details',
    { class: 'legend', open, ontoggle: (event) => onToggle(event.currentTarget.open) },
    h('summary', {}, h('span', {}, pick(shown.label)), h('span', { class: 'unit' }, shown.unit)),
    h(
      'ol',
      { class: 'classes' },
      shown.classes.map((one) =>
        h(
          'li',
          {},
          swatch(one.colour),
          h('span', {}, pick(one.label)),
          h('span', { class: 'limits' }, limits(one, shown.decimals)),
        ),
      ),
    ),
    h('p', { class: 'scale' }, pick(shown.scale)),
    h('ul', { class: 'trust', 'aria-label': t('legend.reading') }, trust),
    // What the caption says of passes is not true of a partner's values.
    !partner && h('p', { class: 'caption' }, pick(shown.caption)),
  );
}
