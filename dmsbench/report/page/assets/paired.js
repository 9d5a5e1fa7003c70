// Model b against model a, paired by sample: overall, clean, groups of conditions, corruptions.

function setUpPaired(data, about) {
  if (!data.pairs.length) return;
  const parent = section('paired');
  let at = Math.max(0, data.pairs.findIndex((pair) => data.scheduling.some((one) => one.static === pair.a && one.model === pair.b)));
  let turned = false;
  let sorted = 'catalogue';
  const told = el('p', { class: 'note', 'aria-live': 'polite' });
  const refresh = () => { told.textContent = verdict(data, about, oriented(data, at, turned)); forest.refresh(); };
  const pick = choice('Pair', data.pairs.map((pair, i) => [i, `${data.models[pair.b]} − ${data.models[pair.a]}`]), at,
    (value) => { at = Number(value); refresh(); });
  const order = choice('Order', [['catalogue', 'as in the suite'], ['difference', 'by difference']], sorted,
    (value) => { sorted = value; refresh(); });
  const turn = el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
    turned = !turned;
    turn.setAttribute('aria-pressed', String(turned));
    refresh();
  } }, 'the other way round');
  parent.append(el('div', { class: 'controls' }, pick.node, order.node, turn), told);
  const forest = chart(parent, 'paired', () => forestPlot(data, about, oriented(data, at, turned), sorted));
  refresh();
}

const VERDICTS = { 'A better': 'B better', 'B better': 'A better' };
const negated = (ends) => [ends[0], ends[2], ends[1]].map((value) => (value === null ? null : -value + 0));

function oriented(data, at, turned) {
  const pair = data.pairs[at];
  if (!turned) return pair;
  const turn = (one) => one && {
    ...one, a: one.b, b: one.a, difference: negated(one.difference), verdict: VERDICTS[one.verdict] || one.verdict,
  };
  return {
    ...pair, a: pair.b, b: pair.a, overall: turn(pair.overall), clean: turn(pair.clean), corruptions: pair.corruptions.map(turn),
    relations: pair.relations.map(turn), families: pair.families.map(turn),
  };
}

function said(data, pair, text) {
  return { 'A better': `${data.models[pair.a]} better`, 'B better': `${data.models[pair.b]} better` }[text] || 'no significant difference';
}

function verdict(data, about, pair) {
  const [a, b] = [data.models[pair.a], data.models[pair.b]];
  if (!pair.overall || pair.overall.difference[0] === null) return `${b} − ${a}: nothing to compare, no corrupted condition has rows that are ok in both.`;
  const errors = pair.errors ? ` ${pair.errors} pairs are left out for an error.` : '';
  return `Mean over conditions: ${b} − ${a} = ${between(pair.overall.difference, signed)} points, p = ${pValue(pair.overall.p)}: ` +
    `${said(data, pair, pair.overall.verdict)}.${errors} "No significant difference" does not say that the two are alike.`;
}

function forestPlot(data, about, pair, sorted) {
  const corruptions = data.corruptions.map((one, i) => [one.name, pair.corruptions[i]]).filter(([, one]) => one);
  if (sorted === 'difference') corruptions.sort((x, y) => (y[1].difference[0] ?? -9) - (x[1].difference[0] ?? -9));
  const groups = [
    [['overall', pair.overall], ['clean', pair.clean]].filter(([, one]) => one),
    pair.relations.map((one) => [one.name, one]), corruptions,
  ];
  const rows = groups.flat();
  if (!rows.length) return null;
  const drawn = rows.filter(([, one]) => one.difference[0] !== null);
  const found = (one) => one.verdict && one.verdict !== 'no significant difference';
  const y = drawn.map(([name]) => label(shortened(name, 34)));
  const ends = drawn.map(([, one]) => one.difference);
  const tint = drawn.map(([, one]) => (one.difference[0] >= 0 ? colour(pair.b) : colour(pair.a)));
  return {
    traces: [{
      type: 'scatter', mode: 'markers', x: ends.map((e) => 100 * e[0]), y,
      marker: { size: 9, color: tint, symbol: drawn.map(([, one]) => (found(one) ? 'circle' : 'circle-open')), line: { width: 2, color: tint } },
      error_x: {
        type: 'data', symmetric: false, width: 3, thickness: 1.4, color: inks().quiet,
        array: ends.map((e) => (e[2] === null ? 0 : 100 * (e[2] - e[0]))), arrayminus: ends.map((e) => (e[1] === null ? 0 : 100 * (e[0] - e[1]))),
      },
      text: drawn.map(([, one]) => label(`${between(one.difference, signed)}${one.p === undefined ? '' : `, p = ${pValue(one.p)}`}`)),
      hovertemplate: '%{y}: %{text}<extra></extra>',
    }],
    columns: ['condition', data.models[pair.a], data.models[pair.b], 'difference', 'p (Holm)', 'verdict'],
    rows: [...rows, ...pair.families.map((one) => [one.name, one])].map(([name, one]) => [name, points(one.a), points(one.b),
      between(one.difference, signed), one.p === undefined ? '' : pValue(one.p),
      one.p === undefined ? `${one.conditions} conditions` : said(data, pair, one.verdict)]),
    label: `${data.models[pair.b]} minus ${data.models[pair.a]}, by corruption`,
    caption: `${data.models[pair.b]} − ${data.models[pair.a]} in points of ${about.score}, ${100 * about.level} % intervals clustered by image. ` +
      'Filled: significant (p after Holm over the corruptions). Hollow: not, or a group of conditions, which has no test.',
    layout: layout({
      hovermode: 'closest', height: 24 * drawn.length + 110, margin: { l: 60, r: 16, t: 34, b: 50 },
      xaxis: { title: { text: 'difference (points)' }, zeroline: true, zerolinecolor: inks().quiet, zerolinewidth: 2 },
      yaxis: { autorange: 'reversed', type: 'category', gridcolor: inks().line },
    }),
  };
}
