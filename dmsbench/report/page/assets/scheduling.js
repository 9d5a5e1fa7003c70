// What scheduling did: weights against severity, headroom, signals.

function setUpScheduling(data, about) {
  const found = data.scheduling;
  if (!found.length) return;
  const parent = section('scheduling');
  if (found.some((one) => one.headroom)) setUpHeadroom(data, about, found, parent);
  const weighted = found.filter((one) => one.weights && Object.keys(one.weights).length);
  if (weighted.length) setUpWeights(data, weighted, parent);
  setUpSignals(data, found.filter((one) => one.signals.length), parent);
}

const ARMS = [['static', 'static'], ['best_constant', 'best constant weights'], ['dms', 'scheduled'], ['oracle', 'best weights per condition']];

function setUpHeadroom(data, about, found, parent) {
  parent.append(el('h3', {}, 'Headroom'), el('p', { class: 'note quiet' },
    'What a scheduler could gain that knew the condition, and what this one gains. The best points are chosen on the rows that they are scored on, so headroom is optimistic.'));
  const rooms = found.filter((one) => one.headroom);
  parent.append(scrolling('Headroom', table(['model', 'gain over static', 'available', 'closed (%)', 'beside the best constant'],
    rooms.map((one) => [data.models[one.model], between(one.headroom.gain, signed), between(one.headroom.available, signed),
      between(one.headroom.closed), `${between(one.headroom.over_constant, signed)} (${one.headroom.constant_point})`]))));
  chart(parent, 'headroom', () => {
    const own = rooms.filter((one) => state.shown.has(one.model));
    if (!own.length) return null;
    const traces = own.map((one) => {
      const ends = ARMS.map(([key]) => one.headroom[key] || [null, null, null]);
      return {
        type: 'scatter', mode: 'markers', y: ARMS.map(([, name]) => name), x: ends.map((e) => (e[0] === null ? null : 100 * e[0])),
        name: label(data.models[one.model]), marker: { size: 10, color: colour(one.model), symbol: marker(one.model) },
        text: ends.map((e) => label(between(e))), hovertemplate: '%{y}: %{text}<extra>%{fullData.name}</extra>',
        error_x: { type: 'data', symmetric: false, width: 3, thickness: 1.4, color: colour(one.model),
          array: ends.map((e) => (e[2] === null ? 0 : 100 * (e[2] - e[0]))), arrayminus: ends.map((e) => (e[1] === null ? 0 : 100 * (e[0] - e[1]))) },
      };
    });
    return {
      traces, columns: ['model', ...ARMS.map(([, name]) => name)], label: 'headroom: static, constant, scheduled and best weights',
      rows: own.map((one) => [data.models[one.model], ...ARMS.map(([key]) => between(one.headroom[key]))]),
      layout: layout({
        ...LEGEND, legend: { orientation: 'h', y: -0.35, yanchor: 'top' }, height: 280, hovermode: 'closest', showlegend: own.length > 1,
        xaxis: { title: { text: `${label(about.score)}, mean over conditions (points)` } }, yaxis: { autorange: 'reversed', type: 'category' },
      }),
    };
  });
}

function setUpWeights(data, weighted, parent) {
  const names = data.corruptions.map((one) => one.name).filter((name) => weighted.some((one) => one.weights[name]));
  let name = names[0];
  let model = 0;
  parent.append(el('h3', {}, 'The weight of the picture'), el('p', { class: 'note quiet' },
    'Mean weight of the picture, in points; the text has the rest, 50 is static fusion. Where a corruption damages the picture a useful weight falls.'));
  const pick = choice('Corruption', names.map((one) => [one, one]), name, (value) => { name = value; curve.refresh(); });
  const who = choice('Model of the map', weighted.map((one, i) => [i, data.models[one.model]]), model, (value) => { model = Number(value); map.refresh(); });
  parent.append(el('div', { class: 'controls' }, pick.node, weighted.length > 1 ? who.node : null));
  const two = el('div', { class: 'two' });
  parent.append(two);
  const curve = chart(two, 'weights', () => {
    const own = weighted.filter((one) => state.shown.has(one.model) && one.weights[name]);
    if (!own.length) return null;
    const traces = [{ x: [0, 5], y: [50, 50], type: 'scatter', mode: 'lines', name: 'uniform', hoverinfo: 'skip', line: { color: inks().quiet, dash: 'dot', width: 1.5 } }];
    for (const one of own) traces.push(band(data, one.model, one.weights[name].curve), line(data, one.model, one.weights[name].curve));
    return {
      traces, columns: ['model', 'severity', 'weight of the picture', 'entropy'], label: `weight of the picture against severity, ${name}`,
      rows: own.flatMap((one) => one.weights[name].curve.map((p, i) => [data.models[one.model], String(p[0]), between(p.slice(1)), points(one.weights[name].entropy[i])])),
      caption: own.map((one) => `${data.models[one.model]}: ${one.weights[name].trend}`).join('; '),
      layout: layout({ xaxis: severityAxis(), yaxis: { title: { text: 'weight (points)' }, range: [-3, 103] }, ...LEGEND }),
    };
  });
  const map = chart(two, 'weights-map', () => {
    const one = weighted[model];
    const kept = names.filter((each) => one.weights[each]);
    const at = (each, level) => (one.weights[each].curve.find((p) => p[0] === level) || [level, null, null, null]).slice(1);
    const levels = [0, ...LEVELS].filter((level) => kept.some((each) => at(each, level)[0] !== null));
    const values = kept.map((each) => levels.map((level) => (at(each, level)[0] === null ? null : 100 * at(each, level)[0])));
    const heads = levels.map((level) => (level ? String(level) : 'clean'));
    return {
      traces: [{ type: 'heatmap', x: heads, y: kept.map((each) => label(shortened(each, 34))), z: values, zmin: 0, zmax: 100, colorscale: 'Cividis', xgap: 2, ygap: 2,
        texttemplate: '%{z:.0f}', hoverongaps: false, hovertemplate: '%{y}, severity %{x}: %{z:.1f}<extra></extra>', colorbar: { thickness: 14, outlinewidth: 0 } }],
      columns: ['corruption', ...heads], rows: kept.map((each) => [each, ...levels.map((level) => between(at(each, level)))]),
      label: `weight of the picture by corruption and severity, ${data.models[one.model]}`,
      layout: layout({ height: Math.max(420, 24 * kept.length + 110), hovermode: 'closest', margin: { l: 60, r: 10, t: 34, b: 50 },
        xaxis: { type: 'category', title: { text: 'severity' }, showgrid: false }, yaxis: { type: 'category', autorange: 'reversed', showgrid: false } }),
    };
  });
}

function setUpSignals(data, found, parent) {
  if (!found.length) return;
  parent.append(el('h3', {}, 'Do the signals notice damage?'), el('p', { class: 'note quiet' },
    'AUROC of each signal against "this modality is corrupted": 0.5 knows nothing, below 0.5 the signal falls with damage.'));
  const rows = found.flatMap((one) => {
    const kinds = [...new Set(one.signals.map((s) => `${s.modality}|${s.family ?? ''}`))];
    return kinds.map((kind) => {
      const [modality, family] = kind.split('|');
      const own = one.signals.filter((s) => s.modality === modality && (s.family ?? '') === family);
      const [confidence, uncertainty, consistency] = ['confidence', 'uncertainty', 'consistency'].map((name) =>
        own.find((s) => s.signal.startsWith(name)));
      const figure = (s) => (s && s.auroc !== null ? s.auroc.toFixed(3) : UNDEFINED);
      return [data.models[one.model], family || `${modality}: all damage`, figure(confidence), figure(uncertainty), figure(consistency),
        String((own[0] || { n: [0] }).n[0])];
    }).filter((row) => row[5] !== '0');
  });
  parent.append(el('details', { open: rows.length < 14 }, el('summary', {}, 'AUROC of the signals'),
    scrolling('Signals', table(['model', 'damage', 'confidence', 'uncertainty', 'consistency', 'damaged rows'], rows))));
}
