/** Builds an element: attributes, `on…` listeners, `data` and `style` objects, then children (text or elements). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'style') for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** What the focused element is called, if it lies in here: its id or its data, which a redrawn one has too. */
function focusIn(element) {
  const focused = document.activeElement;
  if (focused === element || !element.contains(focused)) return undefined;
  if (focused.id) return `#${CSS.escape(focused.id)}`;
  const names = [...focused.attributes].filter(({ name }) => name.startsWith('data-'));
  return names.map(({ name, value }) => `[${name}="${CSS.escape(value)}"]`).join('') || undefined;
}

/** Replaces what an element holds; the focus stays on what was focused, for those who go by keyboard. */
export function fill(element, ...children) {
  const focused = focusIn(element);
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (focused) element.querySelector(focused)?.focus();
  return element;
}
