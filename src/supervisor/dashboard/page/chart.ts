/** Lines of the last two minutes. */
import { elementAt } from './elements.ts';

/** Samples in a line: one a second. */
const SAMPLES = 120;

/** The newest value is the last. */
export type Values = number[];

export function push(values: Values, value: number): void {
  values.push(value);
  if (values.length > SAMPLES) values.shift();
}

export function draw(id: string, ...series: readonly Values[]): void {
  const svg = elementAt(id, SVGSVGElement);
  svg.setAttribute('viewBox', `0 0 ${SAMPLES} 40`);
  svg.setAttribute('preserveAspectRatio', 'none');
  const most = Math.max(1e-9, ...series.flat());
  const lines = series.map((values, i) => {
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    const x = (n: number) => SAMPLES - values.length + n + 0.5;
    const points = values.map((value, n) => `${x(n)},${(38 - (36 * value) / most).toFixed(1)}`);
    line.setAttribute('points', points.join(' '));
    if (i > 0) line.setAttribute('class', 'p99');
    return line;
  });
  svg.replaceChildren(...lines);
}
