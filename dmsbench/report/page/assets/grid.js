// Heat maps of corruption by severity, and joint damage as a surface.

const LEVELS = [1, 2, 3, 4, 5];

function shows(data) {
  return [
    ...data.models.map((name, i) => [`model ${i}`, name]),
    ...data.pairs.map((pair, i) => [`pair ${i}`, `difference: ${data.models[pair.b]} − ${data.models[pair.a]}`]),
  ];
}

const mean = (values) => {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length ? there.reduce((sum, value) => sum + value, 0) / there.length : null;
};

// A condition's value: a model's score or a pair's difference.
function valueOf(data, show, condition) {
  const [kind, at] = show.split(' ');
  if (kind === 'pair') return data.pairs[at].differences[condition];
  const cell = data.scores[at].cells[condition];
  return cell && cell.score ? cell.score[0] : null;
}

function cellText(data, show, conditions) {
  if (show.startsWith('pair')) return signed(mean(conditions.map((c) => valueOf(data, show, c))));
  if (conditions.length !== 1) return points(mean(conditions.map((c) => valueOf(data, show, c))));
  const cell = data.scores[show.split(' ')[1]].cells[conditions[0]];
  return cell ? `${between(cell.score)}, ${cell.n} samples, ${cell.errors} errors` : UNDEFINED;
}

function colours(show, values) {
  const grid = values.flat().filter((value) => value !== null);
  if (show.startsWith('pair')) {
    const most = Math.max(1, ...grid.map(Math.abs));
    // Orange for worse, blue for better, nearly the paper where there is no difference.
    const middle = theme.now === 'dark' ? '#2a2f37' : '#f4f4f4';
    return { colorscale: [[0, '#B35806'], [0.25, '#F1A340'], [0.5, middle], [0.75, '#67A9CF'], [1, '#2166AC']], zmin: -most, zmax: most };
  }
  return { colorscale: 'Cividis', zmin: Math.min(...grid, 100), zmax: 100 };
}

function setUpHeat(data, about) {
  const parent = section('heat');
  const options = shows(data);
  let show = options[0][0];
  const picked = choice('Show', options, show, (value) => { show = value; map.refresh(); });
  parent.append(el('div', { class: 'controls' }, picked.node));
  const map = chart(parent, 'heat', () => heatMap(data, about, show, options));
}

function heatMap(data, about, show, options) {
  const names = data.corruptions.map((one) => one.name);
  const cells = data.corruptions.map((one) => LEVELS.map((level) =>
    one.conditions.filter((c) => data.conditions[c].severity === level)));
  const present = LEVELS.filter((_, at) => cells.some((row) => row[at].length));
  const kept = present.map((level) => LEVELS.indexOf(level));
  const values = cells.map((row) => kept.map((at) => {
    const value = mean(row[at].map((c) => valueOf(data, show, c)));
    return value === null ? null : 100 * value;
  }));
  if (!values.flat().some((value) => value !== null)) return null;
  const texts = cells.map((row) => kept.map((at) => (row[at].length ? cellText(data, show, row[at]) : '')));
  const title = options.find(([value]) => value === show)[1];
  const written = values.map((row) => row.map((value) => (value === null ? '' : show.startsWith('pair')
    ? (value > 0.05 ? '+' : '') + value.toFixed(1) : value.toFixed(1))));
  return {
    traces: [{
      type: 'heatmap', z: values, x: present.map(String), y: names.map((name) => label(shortened(name, 34))), text: written,
      texttemplate: '%{text}', customdata: texts.map((row) => row.map(label)), xgap: 2, ygap: 2, hoverongaps: false,
      hovertemplate: '%{y}, severity %{x}: %{customdata}<extra></extra>', ...colours(show, values),
      colorbar: { title: { text: 'points' }, outlinewidth: 0, thickness: 14 },
    }],
    columns: ['corruption', ...present.map((level) => `severity ${level}`)], rows: names.map((name, i) => [name, ...texts[i].map((text) => text || UNDEFINED)]),
    label: `heat map of ${title}, corruption by severity`, caption: `${title}, in points of ${about.score}.`,
    layout: layout({
      hovermode: 'closest', height: 26 * names.length + 130, margin: { l: 60, r: 10, t: 34, b: 50 },
      xaxis: { title: { text: 'severity' }, type: 'category', showgrid: false }, yaxis: { autorange: 'reversed', type: 'category', showgrid: false },
    }),
  };
}

const crossed = (data) => data.corruptions.filter((one) => one.kind === 'joint' &&
  one.conditions.some((c) => data.conditions[c].image[1] !== data.conditions[c].text[1]));

function webgl() {
  const canvas = document.createElement('canvas');
  return Boolean(canvas.getContext('webgl2') || canvas.getContext('webgl'));
}

function setUpJoint(data, about) {
  const pairs = crossed(data);
  if (!pairs.length) return;
  const parent = section('joint');
  let at = 0;
  let show = 'models';
  const options = [['models', 'the models shown above'], ...shows(data)];
  const refresh = () => { surface.refresh(); flat.refresh(); };
  const which = choice('Damage', pairs.map((one, i) => [i, one.name]), at, (value) => { at = Number(value); refresh(); });
  const what = choice('Show', options, show, (value) => { show = value; refresh(); });
  parent.append(el('div', { class: 'controls' }, which.node, what.node));
  const two = el('div', { class: 'two' });
  parent.append(two);
  const able = webgl();
  const surface = chart(two, 'joint-surface', () => (able ? jointSurface(data, about, pairs[at], show) : null));
  const flat = chart(two, 'joint-map', () => jointMap(data, about, pairs[at], show, options));
}

function jointGrid(data, one, show) {
  const own = one.conditions.map((c) => data.conditions[c]);
  const levels = (side) => [...new Set(own.map((condition) => condition[side][1]))].sort();
  const [xs, ys] = [levels('text'), levels('image')];
  const z = ys.map((y) => xs.map((x) => {
    const found = one.conditions.find((c) => data.conditions[c].image[1] === y && data.conditions[c].text[1] === x);
    const value = found === undefined ? null : valueOf(data, show, found);
    return value === null ? null : 100 * value;
  }));
  const [image, text] = one.name.split('+');
  return { xs, ys, z, image, text };
}

const listed = (data, show) => (show === 'models' ? shownModels(data).map((i) => `model ${i}`) : [show]);

function jointSurface(data, about, one, show) {
  const many = listed(data, show);
  const grids = many.map((what) => jointGrid(data, one, what));
  if (!grids.length || !grids.some((grid) => grid.z.flat().some((value) => value !== null))) return null;
  const { image, text } = grids[0];
  const axis = { gridcolor: inks().line, color: inks().ink, dtick: 1 };
  const traces = grids.map((grid, i) => {
    const [kind, at] = many[i].split(' ');
    const tint = kind === 'model' ? [[0, faded(colour(Number(at)), 1)], [1, faded(colour(Number(at)), 0.85)]] : undefined;
    return {
      type: 'surface', x: grid.xs, y: grid.ys, z: grid.z, showscale: false, opacity: 0.9,
      ...(tint ? { colorscale: tint } : colours(many[i], grid.z)), ...(tint ? {} : { cmin: colours(many[i], grid.z).zmin, cmax: colours(many[i], grid.z).zmax }),
      name: label(kind === 'model' ? data.models[at] : 'difference'), contours: { z: { show: true, usecolormap: true, highlightcolor: inks().ink } },
      hovertemplate: `${label(image)} %{y}, ${label(text)} %{x}: %{z:.1f}<extra>%{fullData.name}</extra>`,
    };
  });
  return {
    traces, columns: ['model', ...grids[0].xs.map((x) => `${text} ${x}`)], label: `${about.score} as a surface over ${one.name}`,
    rows: grids.flatMap((grid, i) => grid.ys.map((y, r) => [`${many[i].startsWith('model') ? data.models[many[i].split(' ')[1]] : 'difference'}, ${image} ${y}`, ...grid.z[r].map((v) => (v === null ? UNDEFINED : v.toFixed(1)))])),
    config: { modeBarButtons: [['toImage'], ['zoom3d', 'pan3d', 'orbitRotation', 'resetCameraDefault3d']] },
    layout: layout({
      height: 460, margin: { l: 0, r: 0, t: 34, b: 0 }, hovermode: 'closest',
      scene: {
        xaxis: { ...axis, title: { text: label(text) } }, yaxis: { ...axis, title: { text: label(image) } },
        zaxis: { gridcolor: inks().line, color: inks().ink, title: { text: 'points' } },
        aspectmode: 'manual', aspectratio: { x: 1, y: 1, z: 0.7 }, camera: { eye: { x: 1.5, y: 1.4, z: 0.8 } },
      },
    }),
  };
}

function jointMap(data, about, one, show, options) {
  const what = show === 'models' ? listed(data, show)[0] : show;
  if (what === undefined) return null;
  const grid = jointGrid(data, one, what);
  if (!grid.z.flat().some((value) => value !== null)) return null;
  const title = options.find(([value]) => value === what)[1];
  return {
    traces: [{
      type: 'heatmap', x: grid.xs.map(String), y: grid.ys.map(String), z: grid.z, xgap: 2, ygap: 2, texttemplate: '%{z:.1f}',
      hovertemplate: `${label(grid.image)} %{y}, ${label(grid.text)} %{x}: %{z:.1f}<extra></extra>`, ...colours(what, grid.z),
      colorbar: { title: { text: 'points' }, thickness: 14, outlinewidth: 0 },
    }],
    columns: [grid.image, ...grid.xs.map((x) => `${grid.text} ${x}`)], label: `heat map of ${title} over ${one.name}`,
    rows: grid.ys.map((y, r) => [String(y), ...grid.z[r].map((v) => (v === null ? UNDEFINED : v.toFixed(1)))]),
    caption: `${title}, in points of ${about.score}.`,
    layout: layout({
      height: 460, hovermode: 'closest', margin: { l: 60, r: 10, t: 34, b: 50 },
      xaxis: { title: { text: `${label(grid.text)}, severity` }, type: 'category', showgrid: false },
      yaxis: { title: { text: `${label(grid.image)}, severity` }, type: 'category', showgrid: false },
    }),
  };
}
