/** A place as messages and verdicts have it: the credentials of a URL are nobody's business, and queries may hold tokens. */
export function plainPlace(place: string): string {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*:\/\/)([^?#]*)/is.exec(place) ?? []
  return scheme === undefined || rest === undefined ? place : scheme + rest.replace(/^[^/]*@/s, '')
}
