// Whether confidence means anything: reliability, expected calibration error and overconfidence.

function setUpCalibration(data) {
  const found = data.calibration;
  if (!found.length) return;
  const parent = section('calibration');
  const names = [...new Set(found.flatMap((one) => one.sets.map((set) => set.name)))];
  const setOf = (one, name) => one.sets.find((set) => set.name === name);
  let name = names.includes('severity 5') ? 'severity 5' : names[names.length - 1];
  let measure = 'overconfidence';
  parent.append(el('p', { class: 'note quiet' },
    'Confidence is the probability that the model gives its answer. On the dotted line it is as often right as it is sure; below it, it is surer than right.'));
  const pick = choice('Conditions', names.map((one) => [one, one]), name, (value) => { name = value; diagram.refresh(); });
  const what = choice('Against severity', [['overconfidence', 'overconfidence: confidence − score'], ['ece', 'expected calibration error (15 bins)']], measure,
    (value) => { measure = value; course.refresh(); });
  parent.append(el('div', { class: 'controls' }, pick.node, what.node));
  const two = el('div', { class: 'two' });
  parent.append(two);
  const shown = () => found.filter((one) => state.shown.has(one.model));
  const diagram = chart(two, 'reliability', () => {
    const own = shown().filter((one) => setOf(one, name));
    if (!own.length) return null;
    const traces = [{ x: [0, 100], y: [0, 100], type: 'scatter', mode: 'lines', hoverinfo: 'skip', line: { color: inks().quiet, dash: 'dot', width: 1.5 } }];
    for (const one of own) {
      const bins = setOf(one, name).bins.filter((bin) => bin[2] > 0);
      const most = Math.max(...bins.map((bin) => bin[2]));
      traces.push({
        x: bins.map((bin) => 100 * bin[0]), y: bins.map((bin) => 100 * bin[1]), type: 'scatter', mode: 'lines+markers',
        name: label(data.models[one.model]), line: { color: colour(one.model), dash: dash(one.model), width: 1.4 },
        marker: { color: colour(one.model), symbol: marker(one.model), size: bins.map((bin) => 6 + 14 * Math.sqrt(bin[2] / most)) },
        text: bins.map((bin) => `${bin[2]} rows`), hovertemplate: 'confidence %{x:.1f}, score %{y:.1f}, %{text}<extra>%{fullData.name}</extra>',
      });
    }
    return {
      traces, columns: ['model', 'confidence', 'score', 'rows'], label: `reliability diagram, ${name}`,
      rows: own.flatMap((one) => setOf(one, name).bins.filter((bin) => bin[2]).map((bin) => [data.models[one.model], points(bin[0]), points(bin[1]), String(bin[2])])),
      caption: `${name}. Larger marks stand for more records.`,
      layout: layout({ hovermode: 'closest', xaxis: { title: { text: 'confidence (points)' }, range: [-2, 103] }, yaxis: { title: { text: 'score (points)' }, range: [-2, 103] },
        margin: { l: 60, r: 16, t: 34, b: 50 } }),
    };
  });
  const course = chart(two, 'calibration', () => {
    const own = shown();
    if (!own.length) return null;
    const curve = (one) => one.sets.map((set) => [set.name === 'clean' ? 0 : Number((/^severity (\d)$/.exec(set.name) || [])[1]), ...(set[measure] || [null, null, null])])
      .filter((point) => Number.isFinite(point[0]));
    return {
      traces: own.flatMap((one) => [band(data, one.model, curve(one)), line(data, one.model, curve(one))]),
      columns: ['model', 'conditions', 'score', 'confidence', 'overconfidence', 'ECE'], label: `${measure} against severity`,
      rows: own.flatMap((one) => one.sets.map((set) => [data.models[one.model], set.name, between(set.score), between(set.confidence), between(set.overconfidence, signed), between(set.ece)])),
      layout: layout({ xaxis: severityAxis(), yaxis: { title: { text: `${measure === 'ece' ? 'ECE' : measure} (points)` } }, ...LEGEND }),
    };
  });
}
