/** `<target>; rel="next"`, among others (RFC 8288). */
const NEXT = /<([^>]{1,2048})>\s*;[^,]*\brel="?next\b/i

const DOTS = /\/\.{1,2}(?:\/|$)/

/**
 * The path of the next page of a list, below the repository.
 *
 * @param base URL of the repository, with a slash at the end. A link that leads elsewhere is ignored, because credentials
 * go with the request
 * @param current path of the page that has the link. A list that refers to the same page again would never end
 */
export function nextPage(link: string | null, base: string, current: string): string | undefined {
  const [, target] = NEXT.exec((link ?? '').slice(0, 8_192)) ?? []
  const url = target === undefined ? null : URL.parse(target, base + current)
  // Some versions of Node.js leave ".." after a name that begins with a dot.
  const path = url?.href.startsWith(base) && !DOTS.test(url.pathname) ? url.href.slice(base.length) : undefined
  return path === current ? undefined : path
}
