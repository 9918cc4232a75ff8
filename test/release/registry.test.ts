import { createServer } from 'node:http'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { run } from '../../scripts/release/programs.mjs'
import { startRegistry, type Registry } from '../../scripts/release/registry.mjs'

/** A registry on loopback that fetches from another. */
async function registryBefore(
  upstream: string,
): Promise<{ registry: Registry; view: (name: string) => Promise<string> }> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-')))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  vi.stubEnv('npm_config_registry', upstream)
  const registry = await startRegistry(directory)
  vi.unstubAllEnvs()
  const settings = ['--registry', registry.url, '--cache', join(directory, 'cache'), '--fetch-retries', '0']
  return { registry, view: (name) => run(directory, 'npm', ['view', name, 'version', ...settings]) }
}

/** The address of a registry that breaks so many connections before it answers. */
async function breaking(connections: number): Promise<string> {
  let broken = 0
  const versions = { '1.2.3': { name: 'other', version: '1.2.3', dist: { tarball: 'http://127.0.0.1:1/other.tgz' } } }
  const metadata = JSON.stringify({ name: 'other', 'dist-tags': { latest: '1.2.3' }, versions })
  const server = createServer(({ socket }, response) => {
    if (broken++ < connections) socket.destroy()
    else response.setHeader('content-type', 'application/json').end(metadata)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`
}

test('asks again if the connection to the registry of others breaks', async () => {
  const { registry, view } = await registryBefore(await breaking(3))
  expect((await view('other')).trim()).toBe('1.2.3')
  await registry.close()
})

test('says which package it could not fetch, and why', async () => {
  const { registry, view } = await registryBefore(await breaking(Infinity))
  await expect(registry.use(() => view('other'))).rejects.toThrow(
    /Cannot run "npm view other [\s\S]*\nThe registry reported:\nCannot fetch http:\/\/127\.0\.0\.1:\d+\/other: (?:other side closed|.*ECONNRESET)/,
  )
  await registry.close()
})

test('says that the registry ended, while it is used and when it is closed', async () => {
  const { registry } = await registryBefore('http://127.0.0.1:1/')
  const used = registry.use(() => new Promise(() => {}))
  process.kill(registry.pid, 'SIGKILL')
  await expect(used).rejects.toThrow('The registry ended with SIGKILL.')
  await expect(registry.close()).rejects.toThrow('The registry ended with SIGKILL.')
})

test('the registry ends with the process that started it', async () => {
  const { registry } = await registryBefore('http://127.0.0.1:1/')
  await registry.close()
  expect(() => process.kill(registry.pid, 0)).toThrow('ESRCH')
})
