// Prepended to every script that the harness runs in the page.

// The name that assistive technology reads, as far as the app uses the rules for it; the accessibility test asks the
// browser itself.
const nameOf = (element) => {
  const ids = element.getAttribute('aria-labelledby');
  if (ids) {
    return ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
  }
  const label = element.getAttribute('aria-label');
  if (label) return label.trim();
  if (element.labels?.length) {
    // A label may contain the field itself, and hints next to its text.
    const clone = element.labels[0].cloneNode(true);
    clone.querySelectorAll('input, select, textarea, button').forEach((field) => field.remove());
    return clone.textContent.trim();
  }
  return element.textContent.trim();
};

const isVisible = (element) => element.checkVisibility({ visibilityProperty: true });

const named = (selector, name) =>
  [...document.querySelectorAll(selector)].find((element) => nameOf(element) === name);

const FIELDS = 'input, textarea, select';
const BUTTONS = 'button, [role=button]';
const field = (name) => named(FIELDS, name);
const button = (name) => [...document.querySelectorAll(BUTTONS)]
  .find((element) => nameOf(element) === name && isVisible(element));
// Enabled, and at the same position as at the last check.
const canBePressed = (element) => {
  if (!element || element.disabled) return false;
  const { x, y } = element.getBoundingClientRect();
  const position = `${x} ${y}`;
  const previous = element.__position;
  element.__position = position;
  return position === previous;
};
// Paused by hand, or because of seeking back: the button names the action of a press.
const isPaused = () => button('Resume') !== undefined;
const crawl = () => named('section, [role=region]', 'Opening crawl');
const console_ = () => named('table, [role=table], [role=grid]', 'Message console');

const stat = (name) => document.querySelector(`[data-stat="${name}"]`)?.dataset.value;
const entries = (nodes) => [...nodes].map((node) => ({ seq: Number(node.dataset.seq), text: node.textContent }));
const rows = () => entries(console_()?.querySelectorAll('[data-seq]') ?? []);
const lines = () => entries(crawl()?.querySelectorAll('.line[data-seq]') ?? []);

// The page's current notices: statuses and alerts, the errors of fields, and prose that wasn't there when a button was
// last pressed (advice, in contrast to hints that are always shown).
const fieldErrors = () => [...document.querySelectorAll('[aria-invalid=true]')].flatMap((element) =>
  `${element.getAttribute('aria-describedby') ?? ''} ${element.getAttribute('aria-errormessage') ?? ''}`
    .split(/\s+/).filter(Boolean).map((id) => document.getElementById(id)).filter(Boolean));
const prose = () => [...document.querySelectorAll('p, li')]
  .filter((element) => !crawl()?.contains(element) && !console_()?.contains(element));
const textOf = (element) => element.innerText.trim();
const notePresentText = () => { window.__presentText = prose().map(textOf); };
const notices = () => {
  const statuses = [...document.querySelectorAll('[role=status], [role=alert]'), ...fieldErrors()];
  const known = window.__presentText ?? prose().map(textOf);
  const fresh = prose().filter((element) => !known.includes(textOf(element)));
  return [...new Set([...statuses, ...fresh].filter(isVisible).map(textOf))].filter(Boolean).join('\n');
};
