// Puts the page together once its data and the charting library are unpacked.

const SHOWN_AT_FIRST = 6;

function setUpModels(data) {
  const box = document.getElementById('models');
  data.models.forEach((name, i) => {
    if (i < SHOWN_AT_FIRST) state.shown.add(i);
    const check = el('input', { type: 'checkbox', checked: i < SHOWN_AT_FIRST, onchange: () => {
      if (check.checked) state.shown.add(i); else state.shown.delete(i);
      changed();
    } });
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
    const paint = () => { swatch.style.borderTopColor = colour(i); swatch.style.borderTopStyle = { solid: 'solid', dot: 'dotted' }[dash(i)] || 'dashed'; };
    paint();
    state.listeners.push(paint);
    box.append(el('label', {}, check, swatch, name));
  });
  box.hidden = false;
}

async function main() {
  const [library, content] = await Promise.all([unpacked('plotly'), unpacked('data')]);
  const { about, charts, gallery, samples, shrunk } = JSON.parse(content);
  const list = document.getElementById('pictures');
  PICTURES = list.textContent ? list.textContent.split('\n') : [];
  list.remove();
  document.head.append(el('script', {}, library));
  setUpTheme(changed);
  setUpModels(charts);
  if (charts.corruptions.length) {
    setUpCurves(charts, about);
    setUpHeat(charts, about);
    setUpJoint(charts, about);
  }
  setUpPaired(charts, about);
  setUpScheduling(charts, about);
  setUpCalibration(charts);
  setUpGallery(gallery, shrunk);
  setUpSamples(samples, charts, about);
  document.documentElement.dataset.ready = 'yes';
}

main().catch((error) => {
  const box = document.getElementById('problem');
  box.textContent = `The page could not be put together: ${error.message}. A browser of 2023 or newer is needed.`;
  box.hidden = false;
  throw error;
});
