/**
 * JSON in its canonical form (RFC 8785): one text for one value, so that others can compute the same digest.
 *
 * @param value text, safe integers, and lists and objects of these
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = value as Readonly<Record<string, unknown>>
  // RFC 8785, 3.2.3: sorted by UTF-16 code units, as sort() does.
  const names = Object.keys(fields).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(fields[name])}`).join()}}`
}
