import { currentLang } from './i18n.js';

/** What the server said it could not do, with its advice. */
export class ApiError extends Error {
  constructor(message, advice, status) {
    super(message);
    this.advice = advice;
    this.status = status;
  }
}

async function get(path) {
  const response = await fetch(`/api/${path}`, { headers: { 'accept-language': currentLang() } });
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  throw new ApiError(body.error ?? `HTTP ${response.status}`, body.what_to_do ?? '', response.status);
}

const id = encodeURIComponent;
const remembered = new Map();

/** Answers that only change with the data are asked for once per visit; a failed one is asked for again. */
function once(path) {
  if (!remembered.has(path)) {
    const answer = get(path);
    remembered.set(path, answer);
    answer.catch(() => remembered.delete(path));
  }
  return remembered.get(path);
}

export const territories = () => get('territories');
export const base = (territory) => once(`territories/${id(territory)}/base.geojson`);
export const legend = (territory) => once(`territories/${id(territory)}/legend`);
export const recommendations = (territory) => once(`territories/${id(territory)}/recommendations`);
export const section = (territory, name) => get(`territories/${id(territory)}/sections/${id(name)}`);
export const layer = (territory, theme, indicator) =>
  once(`territories/${id(territory)}/layers/${id(theme)}.geojson${indicator ? `?indicator=${id(indicator)}` : ''}`);

/** Address of a download. */
export const downloadUrl = (territory, code, extension, variant) =>
  `/api/territories/${id(territory)}/downloads/${id(code)}.${extension}${variant ? `?variant=${variant}` : ''}`;
