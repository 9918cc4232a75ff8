/**
 * JSON in its canonical form (RFC 8785): one text for one value, so that others can compute the same digest.
 *
 * @param value text, safe integers, and lists and objects of these
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  const fields = value as Readonly<Record<string, unknown>>
  let text = ''
  // RFC 8785, 3.2.3: sorted by UTF-16 code units, as sort() does.
  for (const name of Object.keys(fields).sort())
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(fields[name])}`
  return `{${text}}`
}

/**
 * Whether a text is {@link canonicalJson}. It takes less time than writing the value again.
 *
 * @param parsed what `JSON.parse` made of the text, without field names that are numbers
 */
export function isCanonicalJson(text: string, parsed: unknown): boolean {
  // Of two fields with the same name, `JSON.parse` keeps one; and it keeps their order, except of names that are numbers.
  return isSorted(parsed) && JSON.stringify(parsed) === text
}

function isSorted(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every(isSorted)
  let before = ''
  for (const name of Object.keys(value)) {
    if (name < before || !isSorted((value as Readonly<Record<string, unknown>>)[name])) return false
    before = name
  }
  return true
}
