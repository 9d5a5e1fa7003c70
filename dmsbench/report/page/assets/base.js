// Data, text and elements. What comes from data is put on the page as text, never as markup.

async function unpacked(id) {
  const node = document.getElementById(id);
  const bytes = Uint8Array.from(atob(node.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const text = await new Response(stream).text();
  node.remove();
  return text;
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const UNDEFINED = 'n/a';
const points = (share) => (share === null || share === undefined ? UNDEFINED : (100 * share).toFixed(1));
const signed = (share) => {
  if (share === null || share === undefined) return UNDEFINED;
  const text = (100 * share).toFixed(2);
  return Number(text) === 0 ? '0.00' : Number(text) > 0 ? `+${text}` : text;
};
const between = (ends, show = points) =>
  ends === null || ends[0] === null ? UNDEFINED : `${show(ends[0])} [${show(ends[1])}, ${show(ends[2])}]`;
const shareText = (value) => (value === null || value === undefined ? '–' : value.toFixed(2));
const pValue = (p) => (p === null ? UNDEFINED : p < 0.001 ? '<0.001' : p.toFixed(3));

// The charting library reads tags and entities in its labels.
const label = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const shortened = (text, length) =>
  text.length <= length ? text : `${text.slice(0, Math.ceil(length / 2) - 1)}…${text.slice(-Math.floor(length / 2))}`;

function choice(title, options, value, changed) {
  const select = el('select', { onchange: () => changed(select.value) });
  for (const [key, text] of options) select.append(el('option', { value: key }, shortened(text, 60)));
  select.value = String(value);
  return { node: el('label', {}, title, select), select };
}

function section(id) {
  const node = document.getElementById(id);
  node.hidden = false;
  const link = document.querySelector(`nav a[href="#${id}"]`);
  if (link) link.hidden = false;
  return node;
}

function table(columns, rows) {
  const head = el('tr', {}, ...columns.map((name, i) => el('th', { scope: 'col', class: i ? null : 'words' }, name)));
  const body = rows.map((row) =>
    el('tr', {}, ...row.map((cell, i) => (i ? el('td', {}, cell) : el('th', { scope: 'row' }, cell)))));
  return el('table', {}, el('thead', {}, head), el('tbody', {}, ...body));
}

const scrolling = (name, ...children) =>
  el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name }, ...children);
