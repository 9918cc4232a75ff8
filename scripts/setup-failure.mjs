const REGISTRY =
  /ERR_PNPM_(?:META_)?FETCH|\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b|npm error network/

/** What to ask whoever set the workspace up, by what the failed step printed; empty where that says it all. */
export function questionAbout(output) {
  if (/\bENOSPC\b/.test(output)) return 'Is there room on the disk?'
  return REGISTRY.test(output) ? 'Is the npm registry reachable?' : ''
}
