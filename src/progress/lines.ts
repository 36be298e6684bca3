/** A part of a progress line. In a narrow terminal parts of little weight are left out; none is ever cut. */
export interface Part {
  text: string
  weight: number
}

/** What one line of the display says. */
export interface ProgressLine {
  name: string
  /** Share that is done, 0–1. */
  share: number
  parts: Part[]
}

/** The ways to set the lines, from the most to the least room: cells of the bar (none: a percentage) and least weight of a part. */
const LAYOUTS: readonly { bar: number; least: number }[] = [
  { bar: 20, least: 0 },
  { bar: 20, least: 1 },
  { bar: 10, least: 1 },
  { bar: 10, least: 2 },
  { bar: 10, least: 3 },
  { bar: 0, least: 3 },
  { bar: 0, least: 4 },
  { bar: 0, least: 5 },
]

/** The first layout in which no line has more than `width` characters; the narrowest if there is none. */
export function layoutFor(lines: readonly ProgressLine[], width: number): number {
  const narrowest = LAYOUTS.length - 1
  let layout = 0
  while (layout < narrowest && setLines(lines, layout).some((line) => line.length > width)) layout++
  return layout
}

/** The lines as text, every character of which takes one column; `cells` are those of a full and an empty bar. */
export function setLines(
  lines: readonly ProgressLine[],
  layout: number,
  cells: readonly [string, string] = ['█', '░'],
) {
  const { bar, least } = LAYOUTS[layout] as (typeof LAYOUTS)[number]
  return lines.map(({ name, share, parts }) => {
    const done = bar > 0 ? barOf(share, bar, cells) : percentage(share)
    const kept = parts.filter(({ weight }) => weight >= least).map(({ text }) => text)
    return `${name}  ${done}  ${kept.join(', ')}`.trimEnd()
  })
}

/** ` 45 %`; 100 % only when all is done. */
export function percentage(share: number): string {
  return `${String(Math.floor(100 * Math.min(1, share))).padStart(3)} %`
}

function barOf(share: number, cells: number, [full, empty]: readonly [string, string]): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * cells)
  return full.repeat(filled) + empty.repeat(cells - filled)
}

/** Seconds as `0:07`, `12:30` or `3:05:00`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const whole = Math.max(0, Math.round(seconds))
  const pad = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`
}
