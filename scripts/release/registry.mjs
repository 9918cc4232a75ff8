// A registry on loopback, for rehearsing a release. What it does not have, it fetches from the registry that npm uses.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { run } from './programs.mjs'

/**
 * @param directory gets the packages, and the configuration of npm that may publish them
 * @returns {Promise<{ url: string, storage: string, publish(tarball: string): Promise<string>, close(): Promise<void> }>}
 */
export async function startRegistry(directory) {
  const { runServer } = createRequire(import.meta.url)('verdaccio')
  const storage = join(directory, 'storage')
  mkdirSync(storage, { recursive: true })
  const upstream = (await run(directory, 'npm', ['config', 'get', 'registry'])).trim()
  const server = await runServer(configuration(directory, storage, upstream))
  await new Promise((resolve, reject) => server.listen(0, '127.0.0.1', resolve).once('error', reject))
  const url = `http://127.0.0.1:${server.address().port}/`
  const userConfig = join(directory, 'npmrc')
  // Anybody may publish, but npm wants a token.
  writeFileSync(userConfig, `registry=${url}\n${url.replace('http:', '')}:_authToken=loopback\n`)
  return {
    url,
    storage,
    publish: (tarball) => run(directory, 'npm', ['publish', tarball, '--userconfig', userConfig, '--registry', url]),
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}

function configuration(directory, storage, upstream) {
  const everybody = { access: '$all', publish: '$all', unpublish: '$all' }
  return {
    configPath: join(directory, 'verdaccio.yaml'),
    self_path: directory,
    storage,
    uplinks: { upstream: { url: upstream, cache: true, maxage: '1h', timeout: '120s' } },
    packages: { '@modelseal/*': everybody, modelseal: everybody, '**': { access: '$all', proxy: 'upstream' } },
    auth: { htpasswd: { file: join(directory, 'htpasswd'), max_users: -1 } },
    web: { enable: false },
    log: { type: 'file', path: join(directory, 'verdaccio.log'), level: 'http', format: 'json' },
    publish: { allow_offline: true },
    max_body_size: '100mb',
  }
}
