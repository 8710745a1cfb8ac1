import strings from './strings.json' with { type: 'json' };

export const LANGS = Object.keys(strings);

let lang = 'fr';

/** The language in use. */
export const currentLang = () => lang;

/** Takes a language up; an unknown one means French. */
export function useLang(wanted) {
  lang = LANGS.includes(wanted) ? wanted : 'fr';
  document.documentElement.lang = lang;
  document.title = t('title');
  return lang;
}

/** A text of the page with its `{names}` filled in. */
export function t(key, values = {}) {
  const text = strings[lang][key] ?? strings.fr[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** "1 passage", "3 passages": `key.one` or `key.other` by the rules of the language. */
export function count(key, n) {
  const form = new Intl.PluralRules(locale()).select(n) === 'one' ? 'one' : 'other';
  return t(`${key}.${form}`, { n: number(n, 0) });
}

/** Is there a text of this name? */
export const has = (key) => key in strings.fr;

/** One side of a `{fr, en}` text that came with the data. */
export const pick = (text) => (typeof text === 'string' ? text : (text?.[lang] ?? text?.fr ?? ''));

const locale = () => (lang === 'fr' ? 'fr-FR' : 'en-GB');

/** A number with at most this many decimals, as the language writes it. */
export function number(value, decimals = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: decimals, minimumFractionDigits: 0 }).format(value);
}

/** A number with exactly this many decimals: for columns. */
export function fixed(value, decimals) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const digits = { maximumFractionDigits: decimals, minimumFractionDigits: decimals };
  return new Intl.NumberFormat(locale(), digits).format(value);
}

/** A value with its unit, held together by a no-break space. */
export const quantity = (value, unit, decimals) => `${fixed(value, decimals)}${unit ? `\u00a0${unit}` : ''}`;

/** An ISO week "2026-W04" as the language writes it; anything else comes back as it is. */
export function week(iso) {
  const parts = /^(\d{4})-W(\d{2})$/.exec(iso ?? '');
  return parts ? t('week', { week: Number(parts[2]), year: parts[1] }) : (iso ?? '');
}

/** A date "2026-01-05" as the language writes it; anything else comes back as it is. */
export function date(iso) {
  const parts = /^(\d{4})-(\d{2})-(\d{2})/.exec(iso ?? '');
  if (!parts) return iso ?? '';
  // At noon UTC the day is the same in every zone of Europe.
  const day = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]), 12));
  return new Intl.DateTimeFormat(locale(), { day: '2-digit', month: '2-digit', year: 'numeric' }).format(day);
}
