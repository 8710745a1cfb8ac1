import { gateText, limits, themeLegend, twoColours } from '../legend.js';
import { h } from '../dom.js';
import { count, pick, t } from '../i18n.js';
import { swatch } from './parts.js';

/** The legend of the layer on show: classes with their limits and unit, then how far to trust a line. */
export function legendPanel({ legend, theme, shown, partner, withheld = {}, open, onToggle }) {
  if (!shown) return h('div', { hidden: true });
  const rules = themeLegend(legend, theme);
  const two = [...new Set(twoColours(shown.classes))];
  const drawing = (confidence) => pick(shown.drawing.find((one) => one.confidence === confidence)?.text);
  // A partner's passes are not ours to count: its own word on confidence decides, without our gates.
  const gate = (confidence) => !partner && gateText(rules, confidence);
  const trust = [
    ['high', h('span', { class: 'swatches' }, swatch(shown.classes[0]?.colour, 'solid'))],
    ['medium', h('span', { class: 'swatches' }, two.map((colour) => swatch(colour, 'dashed')))],
    // A theme that never gives a low confidence still draws what is insufficient, in the same grey.
    [partner || gateText(rules, 'low') ? 'low' : 'insufficient', h('span', { class: 'swatches' }, swatch(undefined, 'grey'))],
  ]
    .filter(([confidence]) => drawing(confidence))
    .map(([confidence, sample]) =>
      h('li', {}, sample, h('span', {}, drawing(confidence), gate(confidence) && h('small', {}, gate(confidence)))),
    );
  const kept = Object.entries(withheld)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) =>
      h(
        'li',
        { data: { withheld: reason } },
        swatch(undefined, 'withheld'),
        h('span', {}, t(`withheld.${reason}`), h('small', {}, count('n.withheld', n))),
      ),
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
    h('ul', { class: 'trust', 'aria-label': t('legend.reading') }, trust, kept),
    // What the caption says of passes is not true of a partner's values.
    h('p', { class: 'caption' }, partner ? t('legend.partner') : pick(shown.caption)),
  );
}
