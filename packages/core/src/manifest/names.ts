/** Says what is wrong with a signed name; undefined for a valid one (OMS 6.1.2). */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'it is empty'
  // OMS 6.1.2 (7): a lone surrogate has no UTF-8 form.
  if (!name.isWellFormed()) return 'it is not valid Unicode'
  if (name.length > MAX_NAME_LENGTH) return `it is longer than ${MAX_NAME_LENGTH} characters`
  if (PLAIN.test(name)) return undefined
  if (name.includes('\0')) return 'it contains a NUL character'
  if (name.startsWith('/')) return 'it is absolute'
  if (name.endsWith('/')) return 'it ends with a slash'
  for (const component of name.split('/')) {
    if (component === '') return 'it contains "//"'
    if (component === '.') return 'it contains a "." component'
    if (component === '..') return 'it contains a ".." component'
  }
  return undefined
}

/** Matches most names: no component is empty or begins with a dot. These need no further checks. */
const PLAIN = /^[^/\0.][^/\0]*(?:\/[^/\0.][^/\0]*)*$/

/** Longer than any path that Linux opens (PATH_MAX is 4096 bytes). */
const MAX_NAME_LENGTH = 4096

/**
 * Says what is wrong with an entry of `ignore_paths`; undefined for a valid one (OMS 6.2.1:
 * exact relative paths, no globs).
 */
export function ignorePathFault(path: string): string | undefined {
  if (/[*?[]/.test(path)) return 'it contains a glob character, and ignored paths are exact'
  return nameFault(path)
}

/** Whether the predicate holds for a name or one of its parent directories. */
export function isWithin(name: string, predicate: (name: string) => boolean): boolean {
  for (let end = name.indexOf('/'); end > 0; end = name.indexOf('/', end + 1))
    if (predicate(name.slice(0, end))) return true
  return predicate(name)
}
