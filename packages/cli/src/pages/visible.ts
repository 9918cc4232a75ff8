/**
 * Text of unknown origin for a page: characters that control, hide or reorder text are written as their numbers. Escaping what a format
 * gives a meaning is left to the format.
 */
export function visible(text: string): string {
  return cut(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, numbered)
}

/** The same for a text of several lines. */
export function visibleLines(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(/[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu, numbered)
}

/** An address is not longer, and what is longer is not read. */
const LONGEST = 2_000

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

function numbered(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
}

/** Text for an element of HTML or in a quoted attribute. */
export function escaped(text: string): string {
  return visibleLines(text).replace(/[&<>"'`]/g, (char) => `&#${char.charCodeAt(0)};`)
}

/** The normalized address, if a browser may follow it: its host is shown in ASCII, so that no letter looks like another one. */
export function webAddress(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text) || text.length > LONGEST) return undefined
  try {
    const { href, username, password } = new URL(text)
    // What stands before an @ looks like the host.
    return username === '' && password === '' ? href : undefined
  } catch {
    return undefined
  }
}
