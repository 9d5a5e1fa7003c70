// What each corruption looks like, severity by severity, on samples of the run.

let PICTURES = [];

function picture(place, about, size) {
  const image = el('img', { src: PICTURES[place], alt: about, class: size, loading: 'lazy', decoding: 'async' });
  // Small pictures are enlarged without smoothing, so that pixels stay pixels.
  image.addEventListener('load', () => { if (image.naturalWidth <= 128) image.classList.add('small'); });
  return image;
}

function setUpGallery(gallery, shrunk) {
  const parent = section('gallery');
  if (gallery.note) parent.append(el('p', { class: 'note' }, `No pictures: ${gallery.note}.`));
  if (!gallery.samples.length) {
    if (!gallery.note) parent.append(el('p', { class: 'note' }, 'No sample of the run can be shown.'));
    return;
  }
  let at = 0;
  const body = el('div');
  const buttons = gallery.samples.map((sample, i) => el('button', {
    type: 'button', 'aria-pressed': String(i === 0), onclick: () => {
      at = i;
      buttons.forEach((button, j) => button.setAttribute('aria-pressed', String(j === i)));
      show();
    },
  }, `sample ${i + 1}`));
  const show = () => body.replaceChildren(...gallerySample(gallery.samples[at]));
  parent.append(el('p', { class: 'note quiet' }, 'The pixels and texts that the models were given in this run.' + (shrunk ? ' Large pictures are shown smaller.' : '')),
    el('div', { class: 'controls' }, ...buttons), body);
  show();
}

function gallerySample(sample) {
  const evidence = sample.context === null ? sample.question : sample.context;
  const told = [sample.question ? `"${sample.question}"` : null, sample.context === null ? null : `beside it: "${sample.context}"`].filter(Boolean).join(', ');
  const found = [el('p', { class: 'note' }, `${sample.sample}: ${told || 'a picture'}`)];
  for (const target of ['image', 'text']) {
    const rows = sample.rows.filter((row) => row.corruption && row.target === target);
    if (!rows.length) continue;
    const levels = [...new Set(rows.flatMap((row) => row.views.map((view) => view.severity)))].sort();
    const head = el('tr', {}, el('td'), el('th', { scope: 'col' }, 'clean'), ...levels.map((level) => el('th', { scope: 'col' }, `severity ${level}`)));
    const body = rows.map((row) => el('tr', {}, el('th', { scope: 'row' }, row.corruption), el('td', {}, cleanView(sample, target, evidence)),
      ...levels.map((level) => el('td', {}, galleryView(row, row.views.find((view) => view.severity === level))))));
    found.push(el('h3', {}, target === 'image' ? 'Pictures' : 'Texts'),
      scrolling(target === 'image' ? 'Corrupted pictures' : 'Corrupted texts',
        el('table', { class: target === 'image' ? 'pictures' : 'pictures texts' }, el('thead', {}, head), el('tbody', {}, ...body))));
  }
  return found;
}

function cleanView(sample, target, evidence) {
  if (target === 'text') return evidence || '–';
  return sample.picture === null ? 'no picture' : picture(sample.picture, 'clean', 'view');
}

function galleryView(row, view) {
  if (!view) return '';
  const note = view.note ? el('span', { class: 'quiet' }, view.note) : null;
  if (view.picture !== null) return el('div', {}, picture(view.picture, `${row.corruption}, severity ${view.severity}`, 'view'), note);
  if (view.text !== null) return el('div', {}, view.text, note ? ' (' : '', note, note ? ')' : '');
  return note || '';
}
