import { shown } from '../../errors.ts'
import type { RedirectRule } from '../http/redirects.ts'
import { isPrivate } from './addresses.ts'
import { isLoopback } from './loopback.ts'

/**
 * Hubs and registries redirect to wherever they store large files, so any host of the internet is allowed. A server there
 * must not make this machine ask its own network: a redirect to a private address is followed only if the server has
 * one itself.
 *
 * @param origin of the hub or registry
 */
export function redirectRule(origin: string): RedirectRule {
  const own = new URL(origin)
  const mayBePlain = own.protocol === 'http:' && isLoopback(own.hostname)
  let isOwnPrivate: Promise<boolean> | undefined
  return async ({ protocol, hostname, origin: target }) => {
    const found = shown(target)
    if (protocol !== 'https:' && !(mayBePlain && isLoopback(hostname))) return { expected: 'an https URL', found }
    if (!(await isPrivate(hostname))) return undefined
    isOwnPrivate ??= isPrivate(own.hostname)
    return (await isOwnPrivate) ? undefined : { expected: 'a host with a public address', found }
  }
}
