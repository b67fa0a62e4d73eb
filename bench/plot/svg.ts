export interface Axis {
  readonly label: string;
  readonly ticks: readonly Tick[];
  /** Where a value lies between the ends of the axis, 0 to 1. */
  place(value: number): number;
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

export interface Line {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 430;
const PLOT = { left: 78, top: 64, right: WIDTH - 122, bottom: HEIGHT - 54 };
const LABEL_HEIGHT = 16;

/** Readable on the background that is drawn with them, whatever the page around it has. */
const COLOURS = { background: '#ffffff', text: '#1f2328', faint: '#59636e', grid: '#e3e6ea' };
const LINE_STYLES: Readonly<Record<string, string>> = {
  'nestjs-clouds': 'stroke="#cf222e" stroke-width="3"',
  'Nest Redis': 'stroke="#bc4c00" stroke-width="2"',
  'Nest NATS': 'stroke="#1a7f37" stroke-width="2"',
  'Nest RMQ': 'stroke="#8250df" stroke-width="2"',
  'Nest TCP': 'stroke="#0969da" stroke-width="2"',
  'Nest alone': 'stroke="#59636e" stroke-width="2" stroke-dasharray="5 4"',
};
const OTHER_STYLE = 'stroke="#1f2328" stroke-width="2"';

/** A line chart as an SVG document; the same chart always gives the same text. */
export function svgOf(chart: Chart): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="6" fill="${COLOURS.background}"/>`,
    text({ x: PLOT.left, y: 28 }, chart.title, `font-size="16" font-weight="600"`),
    text({ x: PLOT.left, y: 47 }, chart.subtitle, `fill="${COLOURS.faint}"`),
    ...gridOf(chart.y),
    ...ticksOf(chart.x),
    ...axisLabels(chart),
    ...chart.lines.map((line) => pathOf(chart, line)),
    ...endLabels(chart),
    '</svg>',
    '',
  ].join('\n');
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const atX = (share: number) => round(PLOT.left + share * (PLOT.right - PLOT.left));
const atY = (share: number) => round(PLOT.bottom - share * (PLOT.bottom - PLOT.top));

function gridOf(axis: Axis): string[] {
  return axis.ticks.flatMap(({ at, text: label }) => {
    const y = atY(axis.place(at));
    const place = { x: PLOT.left - 10, y: y + 4 };
    return [
      `<path d="M${PLOT.left} ${y}H${PLOT.right}" stroke="${COLOURS.grid}"/>`,
      text(place, label, `text-anchor="end" fill="${COLOURS.faint}"`),
    ];
  });
}

function ticksOf(axis: Axis): string[] {
  return axis.ticks.map(({ at, text: label }) => {
    const place = { x: atX(axis.place(at)), y: PLOT.bottom + 20 };
    return text(place, label, `text-anchor="middle" fill="${COLOURS.faint}"`);
  });
}

function axisLabels({ x, y }: Chart): string[] {
  const middle = round((PLOT.top + PLOT.bottom) / 2);
  return [
    text({ x: atX(0.5), y: HEIGHT - 12 }, x.label, 'text-anchor="middle"'),
    text(
      { x: 18, y: middle },
      y.label,
      `text-anchor="middle" transform="rotate(-90 18 ${middle})"`,
    ),
  ];
}

function pathOf(chart: Chart, { label, points }: Line): string {
  const steps = points.map(([x, y]) => `${atX(chart.x.place(x))} ${atY(chart.y.place(y))}`);
  const style = LINE_STYLES[label] ?? OTHER_STYLE;
  return `<path d="M${steps.join('L')}" fill="none" stroke-linejoin="round" ${style}/>`;
}

/** Each line's name at its end, pushed down where two would cover each other. */
function endLabels(chart: Chart): string[] {
  const ends = chart.lines.map(({ label, points }) => ({
    label,
    y: atY(chart.y.place(points.at(-1)![1])) + 4,
  }));
  ends.sort((a, b) => a.y - b.y);
  let free = -Infinity;
  return ends.map(({ label, y }) => {
    const place = { x: PLOT.right + 8, y: round(Math.max(y, free)) };
    free = place.y + LABEL_HEIGHT;
    const colour = /stroke="([^"]+)"/.exec(LINE_STYLES[label] ?? OTHER_STYLE)![1]!;
    return text(place, label, `fill="${colour}" font-weight="600"`);
  });
}

function text({ x, y }: Point, content: string, attributes: string): string {
  const fill = attributes.includes('fill=') ? '' : ` fill="${COLOURS.text}"`;
  return `<text x="${x}" y="${y}" ${attributes}${fill}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
