const WIDTH = 760;
const HEIGHT = 420;
const FRAME = { left: 70, right: 190, top: 30, bottom: 50 };
const COLOURS = ['#1b6ca8', '#d1495b', '#2e8b57', '#8a5fbf', '#b8860b', '#555555'];

/** Ticks of a logarithmic axis: 1, 2, 5 times each power of ten within the range. */
function ticks(low, high) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    for (const step of [1, 2, 5]) if (power * step >= low && power * step <= high) found.push(power * step);
  return found;
}

/** The points of `gridPoints` as an SVG: MB/s over the batch size, a line for each size of image, dashed for the DataLoader. */
export function drawPlot(points) {
  const rates = points.flatMap(({ ours, theirs }) => [ours, ...(theirs === null ? [] : [theirs])]);
  const [low, high] = [Math.min(...rates) / 1.3, Math.max(...rates) * 1.3];
  const batchSizes = [...new Set(points.map(({ batchSize }) => batchSize))].sort((a, b) => a - b);
  const sides = [...new Set(points.map(({ side }) => side))];
  const width = WIDTH - FRAME.left - FRAME.right;
  const height = HEIGHT - FRAME.top - FRAME.bottom;
  const x = (size) =>
    FRAME.left +
    (width * Math.log2(size / batchSizes[0])) / Math.max(1, Math.log2(batchSizes.at(-1) / batchSizes[0]));
  const y = (rate) => FRAME.top + height * (1 - Math.log(rate / low) / Math.log(high / low));
  const text = (at, words, anchor = 'middle') =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
  const line = (from, to, style) =>
    `<line x1="${from[0].toFixed(1)}" y1="${from[1].toFixed(1)}" x2="${to[0].toFixed(1)}" y2="${to[1].toFixed(1)}" ${style}/>`;
  const right = FRAME.left + width;
  const parts = ticks(low, high).flatMap((rate) => [
    line([FRAME.left, y(rate)], [right, y(rate)], 'stroke="#ddd"'),
    text([FRAME.left - 8, y(rate) + 4], rate.toLocaleString('en-US'), 'end'),
  ]);
  for (const size of batchSizes) parts.push(text([x(size), HEIGHT - FRAME.bottom + 20], size));
  parts.push(text([FRAME.left + width / 2, HEIGHT - 10], 'pairs in a batch'));
  parts.push(text([FRAME.left, 18], 'MB/s delivered', 'start'));
  sides.forEach((side, at) => {
    const colour = COLOURS[at % COLOURS.length];
    const own = points.filter((point) => point.side === side).sort((a, b) => a.batchSize - b.batchSize);
    const path = (name, dash) => {
      const places = own
        .filter((point) => point[name] !== null)
        .map((p) => `${x(p.batchSize).toFixed(1)},${y(p[name]).toFixed(1)}`);
      if (places.length > 0)
        parts.push(
          `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
        );
    };
    path('ours', '');
    path('theirs', ' stroke-dasharray="5 4"');
    const legend = FRAME.top + 20 * at + 10;
    parts.push(line([right + 15, legend], [right + 40, legend], `stroke="${colour}" stroke-width="2"`));
    parts.push(text([right + 48, legend + 4], `${side} × ${side}`, 'start'));
  });
  const legend = FRAME.top + 20 * sides.length + 20;
  parts.push(text([right + 15, legend], 'solid: slicefeed', 'start'));
  parts.push(text([right + 15, legend + 18], 'dashed: DataLoader', 'start'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">
<title>Delivered MB/s over batch size and image size</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}
