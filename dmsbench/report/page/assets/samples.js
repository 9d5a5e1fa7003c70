// The sample explorer: what was shown, what each model said, its weights and signals.

const PAGE = 10;

function setUpSamples(found, charts, about) {
  const parent = section('samples');
  const models = found.models;
  const position = new Map(found.conditions.map((name, i) => [name, i]));
  const wanted = { corruption: 'any', severity: 'any', x: 0, y: Math.min(1, models.length - 1), outcome: 'any' };
  let page = 0;
  const notes = [
    found.note ? `No pictures: ${found.note}.` : null,
    found.unlike ? `${found.unlike} pictures came out otherwise than in the run, and are not shown.` : null,
  ].filter(Boolean);
  parent.append(el('p', { class: 'note quiet' },
    'A selection of each condition: first the samples on which models part most, then some that all have right or wrong. The counts are of all samples; the records have every one.'),
  ...notes.map((text) => el('p', { class: 'note' }, text)));

  const described = new Map(charts.conditions.map((one) => [one.name, one]));
  const names = charts.corruptions.map((one) => one.name);
  const levels = [...new Set(charts.conditions.map((one) => one.severity))].filter(Boolean).sort();
  const set = (name) => (value) => { wanted[name] = value; page = 0; outcomes(); show(); };
  const who = (name) => (value) => set(name)(Number(value));
  const corruption = choice('Corruption', [['any', 'any'], ['clean', 'clean'], ...names.map((name) => [name, name])], 'any', set('corruption'));
  const severity = choice('Severity', [['any', 'any'], ...levels.map((level) => [level, String(level)])], 'any', set('severity'));
  const x = choice('Model X', models.map((name, i) => [i, name]), wanted.x, who('x'));
  const y = choice('Model Y', models.map((name, i) => [i, name]), wanted.y, who('y'));
  const outcome = choice('Outcome', [['any', '']], 'any', set('outcome'));
  const outcomes = () => {
    const [a, b] = [models[wanted.x], models[wanted.y]];
    const better = about.graded ? (p, q) => `${p} scores higher than ${q}` : (p, q) => `${p} right, ${q} wrong`;
    const list = [['any', 'any'], ...(wanted.x === wanted.y ? [] : [['x', better(a, b)], ['y', better(b, a)]]),
      ['right', about.graded ? 'all models score 50 or more' : 'all models right'], ['wrong', about.graded ? 'all models score less than 50' : 'all models wrong'], ['errors', 'a model failed']];
    if (!list.some(([key]) => key === wanted.outcome)) wanted.outcome = 'any';
    outcome.select.replaceChildren(...list.map(([key, text]) => el('option', { value: key }, text)));
    outcome.select.value = wanted.outcome;
  };
  parent.append(el('div', { class: 'controls' }, corruption.node, severity.node, models.length > 1 ? x.node : null, models.length > 1 ? y.node : null, outcome.node));

  const count = el('p', { role: 'status', class: 'note', id: 'samples-count' });
  const cards = el('ul', { class: 'cards' });
  const back = el('button', { type: 'button', onclick: () => { page -= 1; show(); } }, '← previous');
  const next = el('button', { type: 'button', onclick: () => { page += 1; show(); } }, 'next →');
  parent.append(count, cards, el('div', { class: 'controls' }, back, next));

  const inCondition = (name) => {
    const one = described.get(name);
    const of = one ? one.corruption : name;
    return (wanted.corruption === 'any' || of === wanted.corruption) && (wanted.severity === 'any' || (one && String(one.severity) === wanted.severity));
  };
  const score = (row, model) => (row.answers[model] && row.answers[model].status === 'ok' ? row.answers[model].score : null);
  const fits = (row) => {
    if (!inCondition(row.condition)) return false;
    const scores = models.map((_, i) => score(row, i));
    const [a, b] = [scores[wanted.x], scores[wanted.y]];
    switch (wanted.outcome) {
      case 'x': return a !== null && b !== null && a > b;
      case 'y': return a !== null && b !== null && b > a;
      case 'right': return scores.every((value) => value !== null && value >= 0.5);
      case 'wrong': return scores.every((value) => value !== null && value < 0.5);
      case 'errors': return row.answers.some((one) => one && !['ok', 'left_out'].includes(one.status));
      default: return true;
    }
  };
  const counted = () => {
    let sum = 0;
    for (const [name, at] of position) {
      if (!inCondition(name)) continue;
      const { counts } = found;
      sum += { x: () => counts.better[at][wanted.x][wanted.y], y: () => counts.better[at][wanted.y][wanted.x], right: () => counts.right[at],
        wrong: () => counts.wrong[at], errors: () => counts.errors[at], any: () => counts.all[at] }[wanted.outcome]();
    }
    return sum;
  };
  const show = () => {
    const rows = found.rows.filter(fits);
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    page = Math.min(page, pages - 1);
    const total = counted().toLocaleString('en');
    count.textContent = rows.length
      ? `${(page * PAGE + 1).toLocaleString('en')}–${Math.min(rows.length, (page + 1) * PAGE).toLocaleString('en')} of ${rows.length.toLocaleString('en')} shown here, of ${total} such rows in the run.`
      : `None shown here, of ${total} such rows in the run.`;
    back.disabled = page === 0;
    next.disabled = page >= pages - 1;
    cards.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map((row) => card(found, row, about)));
  };
  outcomes();
  show();
}

function card(found, row, about) {
  const sample = found.samples[row.sample];
  const pictureOf = typeof row.picture === 'number' ? picture(row.picture, `the picture under ${row.condition}`, '')
    : el('div', { class: 'absent' }, row.picture === 'absent' ? 'no picture was given' : 'picture not kept in this page');
  const references = row.references || sample.references || [];
  return el('li', { class: 'card' }, el('h3', {}, `${row.condition} · ${sample.id}`), el('div', { class: 'body' },
    el('div', { class: 'picture' }, pictureOf),
    el('div', { class: 'told' }, ...text('Question', row.question, sample.question), ...text('Context', row.context, sample.context),
      el('p', {}, el('span', { class: 'was' }, 'Right: '), named(found, references)),
      scrolling('Answers', answers(found, row, about)))));
}

// A text as it was shown; where it was changed, what it was.
function text(title, shown, clean) {
  const now = shown === undefined ? clean : shown;
  const there = (value) => value !== null && value !== undefined && value !== '';
  if (!there(now) && !there(clean)) return [];
  const lines = [el('p', {}, el('span', { class: 'was' }, `${title}: `), there(now) ? now : '(absent)')];
  if (shown !== undefined && clean !== undefined && shown !== clean && there(clean)) lines.push(el('p', { class: 'was' }, `was: ${clean}`));
  return lines;
}

const named = (found, names) => names.slice(0, 10).map((name) => (found.names[name] || name)).join(' · ') +
  (names.length > 10 ? ` and ${names.length - 10} more` : '');

function answers(found, row, about) {
  const at = Object.fromEntries(found.figures.map((name, i) => [name, i]));
  const present = (name) => row.answers.some((one) => one && one.figures[at[name]] !== null);
  const ranked = row.answers.some((one) => one && one.rank !== null);
  const weighted = present('weight_image');
  const signals = ['confidence_image', 'confidence_text', 'uncertainty_image', 'uncertainty_text', 'consistency'].filter(present);
  const heads = ['model', 'answer', 'score', ...(ranked ? ['rank'] : []), 'confidence', ...(weighted ? ['picture’s weight'] : []),
    ...signals.map((name) => name.replace('_image', ', picture').replace('_text', ', text'))];
  const long = row.answers.some((one) => one && named(found, [one.prediction || '']).length > 24);
  const body = row.answers.map((one, model) => {
    if (!one) return null;
    const figure = (name) => one.figures[at[name]];
    const ok = one.status === 'ok';
    const good = ok && one.score >= 0.5;
    const score = ok ? el('span', { class: good ? 'right' : 'wrong' }, about.graded ? points(one.score) : good ? '✓ right' : '✗ wrong') : one.status;
    const weight = figure('weight_image');
    const cells = [el('td', { class: long ? 'words long' : 'words' }, ok ? named(found, [one.prediction || '(nothing)']) : one.error || one.status), el('td', {}, score)];
    if (ranked) cells.push(el('td', {}, one.rank === null ? '–' : String(one.rank)));
    cells.push(el('td', {}, shareText(figure('confidence'))));
    if (weighted) cells.push(el('td', {}, weight === null ? '–' : el('span', {}, shareText(weight), ' ', el('span', { class: 'bar', 'aria-hidden': 'true' }, el('span', { style: `width:${Math.round(100 * weight)}%` })))));
    cells.push(...signals.map((name) => el('td', {}, shareText(figure(name)))));
    return el('tr', {}, el('th', { scope: 'row' }, found.models[model]), ...cells);
  });
  return el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((name, i) => el('th', { scope: 'col', class: i < 2 ? 'words' : null }, name)))), el('tbody', {}, ...body.filter(Boolean)));
}
