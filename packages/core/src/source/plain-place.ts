/** A place for messages and verdicts: a URL loses its credentials, and its query, which may contain tokens. */
export function plainPlace(place: string): string {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*:\/\/)([^?#]*)/is.exec(place) ?? []
  return scheme === undefined || rest === undefined ? place : scheme + rest.replace(/^[^/]*@/s, '')
}
