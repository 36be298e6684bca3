/** Control characters (C0, DEL, C1), line separators, and what reorders or hides text: bidi controls, zero-width marks. */
const CONTROL = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu
/** The same without tab and line feed. */
const WITHIN_TEXT = /(?![\t\n])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * Text that others wrote (the name of a file, the metadata of a model, what a driver says) as one line that a terminal only
 * shows: control characters become escapes such as `\x1b`, so it can neither move the cursor nor begin a line of its own.
 */
export function printable(text: string): string {
  return text.replace(CONTROL, escaped)
}

/** As {@link printable}, for text of several lines: tabs and line feeds stay. */
export function printableLines(text: string): string {
  return text.replace(WITHIN_TEXT, escaped)
}

/** JSON that a terminal only shows. It is the same value: such characters occur inside strings alone, where `\u` is allowed. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(CONTROL, (character) => `\\u${hexadecimal(character, 4)}`)
}

function escaped(character: string): string {
  const short = SHORT[character]
  if (short) return short
  return character <= '\xff' ? `\\x${hexadecimal(character, 2)}` : `\\u${hexadecimal(character, 4)}`
}

function hexadecimal(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
