// Charts: drawn when they come near the screen, again when what they show changes; their numbers as a table.

const state = { shown: new Set(), listeners: [] };
const changed = () => state.listeners.forEach((listen) => listen());
// Nothing that leaves the page; a picture is saved from it.
const CONFIG = {
  responsive: true, displaylogo: false,
  modeBarButtons: [['toImage'], ['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d']],
  toImageButtonOptions: { format: 'svg' },
};

function layout(more = {}) {
  const { ink, line, paper } = inks();
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, automargin: true };
  const { xaxis, yaxis, ...rest } = more;
  return {
    paper_bgcolor: paper, plot_bgcolor: paper, font: { color: ink, size: 13, family: 'system-ui, sans-serif' },
    margin: { l: 56, r: 16, t: 12, b: 48 }, height: 420, hovermode: 'x unified',
    hoverlabel: { bgcolor: paper, font: { color: ink } }, showlegend: false,
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

// make() gives {traces, layout, columns, rows, label}; nothing to show: null.
function chart(parent, name, make) {
  const box = el('div', { class: 'chart', role: 'img', 'data-chart': name });
  const numbers = el('details', {}, el('summary', {}, 'The numbers'));
  const caption = el('figcaption');
  parent.append(el('figure', {}, box, caption, numbers));
  let near = false;
  let stale = true;
  let made = null;
  const fill = () => {
    if (!numbers.open || !made) return;
    numbers.replaceChildren(numbers.firstChild, scrolling(`Numbers: ${made.label}`, table(made.columns, made.rows)));
  };
  const draw = () => {
    stale = false;
    made = make();
    const nothing = made === null;
    box.hidden = nothing;
    numbers.hidden = nothing;
    caption.textContent = nothing ? 'Nothing to show for this choice.' : made.caption || '';
    if (nothing) return;
    box.setAttribute('aria-label', `${made.label}; its numbers are in the table below`);
    box.style.height = `${made.layout.height}px`;
    window.Plotly.react(box, made.traces, made.layout, { ...CONFIG, ...made.config }).then(() => { box.dataset.drawn = 'yes'; });
    fill();
  };
  const refresh = () => { if (near) draw(); else stale = true; };
  numbers.addEventListener('toggle', () => { if (stale) draw(); fill(); });
  new IntersectionObserver((entries) => {
    near = entries.some((entry) => entry.isIntersecting);
    if (near && stale) draw();
  }, { rootMargin: '400px' }).observe(box.parentElement);
  window.addEventListener('beforeprint', () => { if (stale) draw(); });
  state.listeners.push(refresh);
  return { box, refresh };
}

const shownModels = (data) => data.models.map((_, i) => i).filter((i) => state.shown.has(i));

// A line with its band; curve is [[severity, value, low, high]].
function band(data, i, curve, more = {}) {
  const kept = curve.filter((point) => point[2] !== null && point[3] !== null);
  const there = kept.concat([...kept].reverse());
  const edge = there.map((point, at) => 100 * point[at < kept.length ? 2 : 3]);
  return {
    x: there.map((point) => point[0]), y: edge, type: 'scatter', mode: 'lines', fill: 'toself', hoverinfo: 'skip',
    line: { width: 0 }, fillcolor: faded(colour(i), 0.17), showlegend: false, ...more,
  };
}

function line(data, i, curve, more = {}) {
  return {
    x: curve.map((point) => point[0]), y: curve.map((point) => (point[1] === null ? null : 100 * point[1])),
    text: curve.map((point) => label(between(point.slice(1)))), type: 'scatter', mode: 'lines+markers',
    name: label(shortened(data.models[i], 40)), hovertemplate: '%{text}<extra>%{fullData.name}</extra>',
    line: { color: colour(i), dash: dash(i), width: 2.2 }, marker: { symbol: marker(i), size: 8, color: colour(i) },
    ...more,
  };
}

// Below the chart: above it the buttons are.
const LEGEND = { showlegend: true, legend: { orientation: 'h', y: -0.2, yanchor: 'top' }, margin: { l: 60, r: 16, t: 34, b: 50 } };

const severityAxis = (more = {}) =>
  ({ title: { text: 'severity (0 = clean)' }, dtick: 1, tick0: 0, range: [-0.2, 5.2], ...more });
