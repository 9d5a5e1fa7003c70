// Score against severity: one corruption or the mean of all, and all corruptions side by side.

const ALL = 'all';

function curveOf(data, model, key) {
  const scores = data.scores[model];
  return key === ALL ? scores.overall : scores.curves[key];
}

function setUpCurves(data, about) {
  const parent = section('curves');
  const options = [[ALL, 'mean over all corruptions'], ...data.corruptions.map((one, i) => [i, one.name])];
  let key = ALL;
  const refresh = () => { picked.select.value = String(key); one.refresh(); };
  const step = (by) => {
    const at = options.findIndex(([value]) => String(value) === String(key));
    key = options[(at + by + options.length) % options.length][0];
    refresh();
  };
  const picked = choice('Corruption', options, key, (value) => { key = value === ALL ? ALL : Number(value); refresh(); });
  parent.append(el('div', { class: 'controls' }, picked.node,
    el('button', { type: 'button', onclick: () => step(-1) }, '← previous'),
    el('button', { type: 'button', onclick: () => step(1) }, 'next →')));
  const one = chart(parent, 'curves', () => oneCurve(data, about, key, options));
  parent.append(el('h3', {}, 'All corruptions'),
    el('p', { class: 'quiet' }, 'Choose a panel by a click, or by name above, to see it large.'));
  const all = chart(parent, 'curves-all', () => manyCurves(data, about));
  all.box.addEventListener('click', (event) => {
    const panel = panelAt(all.box, event);
    if (panel === null) return;
    key = panel;
    refresh();
    one.box.scrollIntoView({ block: 'center' });
  });
}

function chanceLine(data, more = {}) {
  return data.chance === null ? [] : [{
    x: [0, 5], y: [100 * data.chance, 100 * data.chance], type: 'scatter', mode: 'lines', name: 'chance',
    line: { color: inks().quiet, dash: 'dot', width: 1.5 }, hovertemplate: '%{y:.1f}<extra>chance</extra>', ...more,
  }];
}

function oneCurve(data, about, key, options) {
  const models = shownModels(data).filter((i) => curveOf(data, i, key));
  if (!models.length) return null;
  const name = options.find(([value]) => String(value) === String(key))[1];
  const traces = [...chanceLine(data)];
  for (const i of models) traces.push(band(data, i, curveOf(data, i, key)), line(data, i, curveOf(data, i, key)));
  const rows = models.flatMap((i) => curveOf(data, i, key).map((point) =>
    [data.models[i], String(point[0]), between(point.slice(1))]));
  return {
    traces, rows, columns: ['model', 'severity', `${about.score} (points)`], label: `${about.score} against severity, ${name}`,
    caption: `Bands: ${100 * about.level} % intervals, bootstrap clustered by image.`,
    layout: layout({
      xaxis: severityAxis(), yaxis: { title: { text: `${label(about.score)} (points)` } }, ...LEGEND, height: 460,
    }),
  };
}

function panels(count, width) {
  const columns = Math.max(1, Math.min(5, Math.floor(width / 210), count));
  return { columns, rows: Math.ceil(count / columns) };
}

function manyCurves(data, about) {
  const models = shownModels(data);
  const count = data.corruptions.length;
  if (!models.length || !count) return null;
  const { columns, rows } = panels(count, document.getElementById('curves').clientWidth);
  const traces = [];
  const more = {};
  const titles = [];
  const low = Math.min(...models.flatMap((i) => data.scores[i].curves.filter(Boolean).flat().map((p) => p[1] ?? 1)), data.chance ?? 1);
  const gap = 0.14 / columns;
  // Of each row's height the part that its panel takes: the rest is for the ticks and the next row's titles.
  const [tall, part] = [158, 0.66];
  data.corruptions.forEach((one, at) => {
    const suffix = at ? String(at + 1) : '';
    const [row, column] = [Math.floor(at / columns), at % columns];
    const [w, h] = [1 / columns, 1 / rows];
    const axis = { gridcolor: inks().line, linecolor: inks().line, zeroline: false, tickfont: { size: 10 } };
    more[`xaxis${suffix}`] = { ...axis, domain: [column * w, (column + 1) * w - gap], anchor: `y${suffix}`, dtick: 1, range: [-0.3, 5.3] };
    more[`yaxis${suffix}`] = {
      ...axis, domain: [1 - row * h - part * h, 1 - row * h], anchor: `x${suffix}`,
      range: [Math.max(0, 100 * low - 4), 102], showticklabels: column === 0,
    };
    titles.push({
      text: label(shortened(one.name, 26)), xref: 'paper', yref: 'paper', x: column * w, y: 1 - row * h,
      xanchor: 'left', yanchor: 'bottom', showarrow: false, font: { size: 12 },
    });
    const axes = { xaxis: `x${suffix}`, yaxis: `y${suffix}` };
    traces.push(...chanceLine(data, axes));
    for (const i of models) {
      const curve = data.scores[i].curves[at];
      if (!curve) continue;
      traces.push(line(data, i, curve, {
        ...axes, marker: { symbol: marker(i), size: 5, color: colour(i) }, line: { color: colour(i), dash: dash(i), width: 1.6 },
        error_y: {
          type: 'data', symmetric: false, width: 0, thickness: 1, color: colour(i),
          array: curve.map((p) => (p[3] === null ? 0 : 100 * (p[3] - p[1]))),
          arrayminus: curve.map((p) => (p[2] === null ? 0 : 100 * (p[1] - p[2]))),
        },
      }));
    }
  });
  return {
    traces, label: `${about.score} against severity, a panel a corruption`,
    columns: ['corruption', 'model', ...[0, 1, 2, 3, 4, 5].map((s) => (s ? String(s) : 'clean'))],
    rows: data.corruptions.flatMap((one, at) => models.map((i) => [one.name, data.models[i],
      ...[0, 1, 2, 3, 4, 5].map((s) => between(((data.scores[i].curves[at] || []).find((p) => p[0] === s) || [s, null, null, null]).slice(1)))])),
    layout: { ...layout({ annotations: titles, hovermode: 'closest', height: tall * rows + 50, margin: { l: 40, r: 8, t: 44, b: 6 } }), ...more },
  };
}

// The corruption whose panel lies under a click.
function panelAt(box, event) {
  const full = box._fullLayout;
  if (!full) return null;
  const place = box.getBoundingClientRect();
  const [x, y] = [event.clientX - place.left, event.clientY - place.top];
  for (const [name, axis] of Object.entries(full)) {
    if (!/^xaxis\d*$/.test(name)) continue;
    const other = full[name.replace('x', 'y')];
    const inside = x >= axis._offset && x <= axis._offset + axis._length && y >= other._offset && y <= other._offset + other._length;
    if (inside) return Number(name.slice(5) || 1) - 1;
  }
  return null;
}
