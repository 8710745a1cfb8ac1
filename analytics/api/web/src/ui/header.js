import { LANGS, currentLang, pick, t } from '../i18n.js';
import { h } from '../dom.js';
import { badge } from './parts.js';

const LANG_NAMES = { fr: 'Français', en: 'English' };

const originsOf = (territory) => [...new Set(territory.themes.flatMap((theme) => theme.origins))];

/** Name of the page, territories, languages. */
export function header({ territories, current, onTerritory, onLang }) {
  return h(
    'header',
    { class: 'top' },
    h('a', { class: 'skip', href: '#panel', onclick: focusPanel }, t('skip')),
    h('div', { class: 'brand' }, h('h1', {}, 'Tournée'), h('p', {}, t('tagline'))),
    h(
      'div',
      { class: 'switch territories', role: 'group', 'aria-label': t('territory') },
      territories.map((territory) =>
        h(
          'button',
          {
            type: 'button',
            'aria-pressed': String(territory.id === current?.id),
            data: { territory: territory.id },
            onclick: () => onTerritory(territory.id),
          },
          pick(territory.name),
        ),
      ),
    ),
    h(
      'div',
      { class: 'switch langs', role: 'group', 'aria-label': t('language') },
      LANGS.map((lang) =>
        h(
          'button',
          {
            type: 'button',
            lang,
            title: LANG_NAMES[lang],
            'aria-label': LANG_NAMES[lang],
            'aria-pressed': String(lang === currentLang()),
            data: { lang },
            onclick: () => onLang(lang),
          },
          lang.toUpperCase(),
        ),
      ),
    ),
  );
}

function focusPanel(event) {
  // The address holds the view: the link moves the focus and leaves it alone.
  event.preventDefault();
  document.getElementById('panel')?.focus();
}

/** What is measured here and what is simulated: always in view. */
export const statement = (territory) =>
  h(
    'p',
    { class: 'statement', id: 'statement' },
    originsOf(territory).map(badge),
    ' ',
    h('span', {}, pick(territory.statement)),
  );

/** One button per theme; the one on show is pressed, a second press takes it off. */
export const themes = ({ territory, current, onTheme }) =>
  h(
    'div',
    { class: 'themes', role: 'group', 'aria-label': t('theme') },
    ['air', 'road', 'mobile', 'heat'].map((theme) => {
      const here = territory.themes.find((one) => one.theme === theme);
      return h(
        'button',
        {
          type: 'button',
          data: { theme },
          disabled: !here,
          title: here ? undefined : t('theme.missing'),
          'aria-pressed': String(theme === current),
          onclick: () => onTheme(theme === current ? 'none' : theme),
        },
        t(`theme.${theme}`),
        !here && h('small', {}, t('theme.missing')),
      );
    }),
  );

/** Chooser of the indicator, where the theme has more than one. */
export function indicators({ legends, current, onIndicator }) {
  if (legends.length < 2) return undefined;
  return h(
    'label',
    { class: 'indicator' },
    h('span', {}, t('indicator')),
    h(
      'select',
      { id: 'indicator', onchange: (event) => onIndicator(event.target.value) },
      legends.map((one) =>
        h('option', { value: one.indicator, selected: one.indicator === current }, pick(one.label)),
      ),
    ),
  );
}
