/** `1,234,567`. */
export function thousands(value: number): string {
  return value.toLocaleString('en-US')
}

/** `97.64 %`, with a space that breaks no line. */
export function percent(share: number | null | undefined, digits = 2): string {
  return share === null || share === undefined ? '–' : `${(100 * share).toFixed(digits)}\u00a0%`
}

/** A loss, to four digits behind the point, or to three significant ones where it is small. */
export function lossText(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(4) : value.toExponential(2)
}

/** `3 h 12 min`, `4 min 20 s`, `12 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 1) return `${seconds.toFixed(1)}\u00a0s`
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  if (hours > 0) return `${hours}\u00a0h ${minutes}\u00a0min`
  return minutes > 0 ? `${minutes}\u00a0min ${whole % 60}\u00a0s` : `${whole}\u00a0s`
}

/** `1 block`, `3 blocks`. */
export function counted(count: number, thing: string): string {
  return `${thousands(count)} ${thing}${count === 1 ? '' : 's'}`
}

/** A number to five digits: `1234.5`, `0.00012345`. */
export function short(value: number): string {
  return String(Number(value.toPrecision(5)))
}
