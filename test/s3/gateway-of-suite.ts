import { afterAll, beforeAll, vi } from 'vitest'
import { startGateway, type Gateway } from './gateway.mjs'

/** An object store for the tests of a file, whose environment is that of a client of it. Call it outside of tests. */
export function gatewayOfSuite(): () => Gateway {
  let gateway: Gateway | undefined
  beforeAll(async () => {
    gateway = await startGateway()
    for (const [name, value] of Object.entries(gateway.env)) vi.stubEnv(name, value)
  })
  afterAll(() => {
    vi.unstubAllEnvs()
    gateway?.stop()
  })
  return () => {
    if (!gateway) throw new Error('The object store has not started yet.')
    return gateway
  }
}
