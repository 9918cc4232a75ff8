const REGISTRY =
  /ERR_PNPM_(?:META_)?FETCH|\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b|npm error network/

/** A question that points to the likely cause of a failed step, by its output; empty if the output is clear. */
export function questionAbout(output) {
  if (/\bENOSPC\b/.test(output)) return 'Is there room on the disk?'
  return REGISTRY.test(output) ? 'Is the npm registry reachable?' : ''
}
