/** A line of a chart. */
export interface Line {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

const [WIDTH, HEIGHT] = [720, 400]
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 200, 24, 48]
/** Told apart by those who see colours otherwise, too (Okabe & Ito). */
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
const TICKS = 5

/** An SVG picture of lines through points. */
export function chart(title: string, [xName, yName]: readonly [string, string], lines: readonly Line[]): string {
  const all = lines.flatMap((line) => line.points)
  const [x0, x1] = range(all.map(([x]) => x))
  const [y0, y1] = range(all.map(([, y]) => y))
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT)
  const py = (y: number) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM)
  const at = (value: number) => value.toFixed(1)
  const ticks = (from: number, to: number) =>
    Array.from({ length: TICKS }, (_, index) => from + ((to - from) * index) / (TICKS - 1))
  const bottom = HEIGHT - BOTTOM
  const parts = [
    `<text x="${LEFT}" y="16" font-weight="bold">${escaped(title)}</text>`,
    ...ticks(x0, x1).map(
      (x) => `<text x="${at(px(x))}" y="${bottom + 18}" text-anchor="middle">${short(x, x1 - x0)}</text>`,
    ),
    ...ticks(y0, y1).map(
      (y) =>
        `<path d="M${LEFT} ${at(py(y))}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
        `<text x="${LEFT - 6}" y="${at(py(y) + 4)}" text-anchor="end">${short(y, y1 - y0)}</text>`,
    ),
    `<path d="M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}" stroke="#444" fill="none"/>`,
    `<text x="${at((LEFT + WIDTH - RIGHT) / 2)}" y="${HEIGHT - 8}" text-anchor="middle">${escaped(xName)}</text>`,
    `<text transform="translate(14 ${at((TOP + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escaped(yName)}</text>`,
    ...lines.flatMap(({ name, points }, index) => {
      const colour = COLOURS[index % COLOURS.length]
      const places = points.map(([x, y]) => `${at(px(x))},${at(py(y))}`)
      const y = TOP + 12 + 18 * index
      return [
        `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...places
          .map((place) => place.split(','))
          .map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colour}"/>`),
        `<path d="M${WIDTH - RIGHT + 12} ${y - 4}h18" stroke="${colour}" stroke-width="2"/>`,
        `<text x="${WIDTH - RIGHT + 36}" y="${y}">${escaped(name)}</text>`,
      ]
    }),
  ]
  const style = 'font-family="sans-serif" font-size="12"'
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ${style}>`
  // What those are told who do not see it.
  return `${head}\n<title>${escaped(title)}</title>\n<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`
}

/** The least and the greatest value, apart from each other. */
function range(values: readonly number[]): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return low < high ? [low, high] : [low - 0.5, high + 0.5]
}

/** As many digits as neighbouring ticks need. */
function short(value: number, span: number): string {
  const digits = Math.max(0, Math.min(4, 1 - Math.floor(Math.log10(span / (TICKS - 1)))))
  return value.toFixed(digits)
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
