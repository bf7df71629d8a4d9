/**
 * The script of the page, as source text: it runs in a browser, which the library's own compilation knows nothing of.
 * It finds its data in the element #data and draws one uPlot into each element with a data-chart attribute.
 */
export const client = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const root = document.documentElement;
  const button = document.querySelector('button.theme');
  const media = matchMedia('(prefers-color-scheme: dark)');
  const color = (name) => getComputedStyle(root).getPropertyValue('--' + name).trim();
  const short = (value) => {
    const [scaled, unit] = Math.abs(value) >= 1e9 ? [value / 1e9, 'B'] : Math.abs(value) >= 1e6 ? [value / 1e6, 'M']
      : Math.abs(value) >= 1e3 ? [value / 1e3, 'k'] : [value, ''];
    return Number(scaled.toPrecision(3)) + unit;
  };
  const fixed = (digits) => (value) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  const kinds = {
    loss: { height: 300, format: fixed(3), clip: true, lines: [['each round', 'train-faint', 1], ['training', 'train', 2], ['held out', 'held', 2, 6]] },
    perplexity: { height: 300, format: fixed(2), clip: true, lines: [['each round', 'train-faint', 1], ['training', 'train', 2], ['held out', 'held', 2, 6]] },
    speed: { height: 200, format: (v) => (v == null ? '–' : short(v)), zero: true, lines: [['each round', 'speed-faint', 1], ['smoothed', 'speed', 2]] },
    gradient: { height: 200, format: fixed(3), zero: true, clip: true, lines: [['gradient norm', 'gradient', 1.25]] },
  };

  const extent = (columns, from) => {
    let low = Infinity, high = -Infinity;
    for (const column of columns.slice(1)) column.forEach((y, i) => {
      if (y === null || columns[0][i] < from) return;
      low = Math.min(low, y); high = Math.max(high, y);
    });
    return low <= high ? [low, high] : [0, 1];
  };
  const pad = (low, high, zero) => {
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [zero ? 0 : low - room, high + room];
  };
  const epochLines = (plot) => {
    if (data.epochs.length > 40) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = color('line');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const tokens of data.epochs.slice(0, -1)) {
      const x = Math.round(plot.valToPos(tokens, 'x', true));
      if (x <= bbox.left || x >= bbox.left + bbox.width) continue;
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.restore();
  };

  let plots = [];
  const draw = () => {
    for (const plot of plots) plot.destroy();
    plots = [];
    for (const host of document.querySelectorAll('[data-chart]')) {
      const kind = kinds[host.dataset.chart];
      const columns = data[host.dataset.chart];
      const xs = columns[0];
      const whole = extent(columns, -1);
      // The first moments of a run are far above the rest: the chart leaves them out until one zooms into them.
      const shown = kind.clip && xs.length > 20 ? extent(columns, xs[xs.length - 1] * 0.06) : whole;
      const axis = { stroke: color('soft'), grid: { stroke: color('grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
      plots.push(new uPlot({
        width: host.clientWidth, height: kind.height, padding: [8, 6, 0, 0],
        cursor: { sync: { key: 'tokens' }, points: { size: 7 }, drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (u, low, high) => (low === high ? [low - 1, high + 1] : [low === xs[0] ? 0 : low, high]) },
          y: { range: (u, low, high) => {
            if (low === null) return [0, 1];
            const unzoomed = low === whole[0] && high === whole[1];
            return pad(...(unzoomed ? shown : [low, high]), kind.zero);
          } },
        },
        axes: [
          { ...axis, size: 34, values: (u, ticks) => ticks.map(short) },
          { ...axis, size: 54, values: (u, ticks) => ticks.map((tick) => (tick >= 1000 ? short(tick) : String(Number(tick.toFixed(4))))) },
        ],
        series: [
          { label: 'tokens', value: (u, value) => (value == null ? '–' : short(value)) },
          ...kind.lines.map(([label, stroke, width, points]) => ({
            label, width, stroke: color(stroke), spanGaps: true, value: (u, value) => kind.format(value),
            points: points ? { show: true, size: points, fill: color(stroke) } : { show: xs.length < 3 },
          })).filter((line, index) => columns[index + 1].some((y) => y !== null)),
        ],
        hooks: { drawClear: [epochLines] },
      }, columns.filter((column, index) => index === 0 || column.some((y) => y !== null)), host));
    }
  };
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
    draw();
  };
  button.addEventListener('click', () => setTheme(root.dataset.theme === 'dark' ? 'light' : 'dark'));
  media.addEventListener('change', () => setTheme(media.matches ? 'dark' : 'light'));
  setTheme(media.matches ? 'dark' : 'light');
  addEventListener('resize', () => {
    for (const plot of plots) plot.setSize({ width: plot.root.parentElement.clientWidth, height: kinds[plot.root.parentElement.dataset.chart].height });
  });
})();
`;
