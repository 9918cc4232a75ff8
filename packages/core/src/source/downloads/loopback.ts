/**
 * True for the hosts that are this machine by definition: `localhost`, 127.0.0.0/8 and `[::1]`. Only their registries
 * are spoken to without TLS.
 *
 * @param hostname as in `URL.hostname`
 */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
}
