/** What a value is, in a few words for messages: `text "1,5"`, `a list`, `BigInt 7`. Never throws, and never runs long. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (typeof value === 'string') return value === '' ? 'empty text' : `text ${JSON.stringify(shorten(value))}`
  if (typeof value === 'bigint') return `BigInt ${shorten(String(value))}`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return `an object (${Object.prototype.toString.call(value).slice(8, -1)})`
  return `a ${typeof value}`
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

/** A name with its article: `an Int32Array`, `a Float32Array`. */
export function article(name: string): string {
  // "a Uint8Array": it is said like "you".
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}
