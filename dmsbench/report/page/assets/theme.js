// Light and dark, and the looks of the models' lines: each differs in colour, dashes and marker.

const PALETTES = {
  light: ['#0072B2', '#C44E00', '#007A5A', '#A8457F', '#7D6000', '#4B3FA0', '#333333', '#8C1D18'],
  dark: ['#56B4E9', '#F0883E', '#2EC4A0', '#E08FC0', '#E6C229', '#A79BF0', '#DDDDDD', '#FF8A80'],
};
const DASHES = ['solid', 'dash', 'dashdot', 'dot', 'longdash', 'longdashdot'];
const MARKERS = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross', 'x', 'star'];
const INKS = {
  light: { ink: '#1b1f24', quiet: '#57606a', line: '#d0d7de', paper: '#ffffff' },
  dark: { ink: '#e8eaed', quiet: '#a9b3be', line: '#3a424c', paper: '#14171c' },
};

const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');
const theme = { wanted: 'auto', now: 'light' };
const inks = () => INKS[theme.now];
const colour = (i) => PALETTES[theme.now][i % PALETTES.light.length];
const dash = (i) => DASHES[Math.floor(i / PALETTES.light.length + i) % DASHES.length];
const marker = (i) => MARKERS[i % MARKERS.length];
const faded = (hex, share) => `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(',')},${share})`;

function applyTheme() {
  theme.now = theme.wanted === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : theme.wanted;
  document.documentElement.dataset.theme = theme.now;
}

function setUpTheme(changed) {
  const select = document.getElementById('theme');
  select.addEventListener('change', () => { theme.wanted = select.value; applyTheme(); changed(); });
  prefersDark.addEventListener('change', () => { applyTheme(); changed(); });
}
applyTheme();
