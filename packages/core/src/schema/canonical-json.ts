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
