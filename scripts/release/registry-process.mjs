// The process of the registry: node registry-process.mjs SETTINGS (JSON). Sends its port to the process that started it, and ends
// with that.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { startUpstream } from './upstream.mjs'

process.once('disconnect', () => process.exit())
// On Ctrl-C, the process that started it decides.
process.on('SIGINT', () => {})

const { directory, storage, upstream } = JSON.parse(process.argv[2])
const { runServer } = createRequire(import.meta.url)('verdaccio')
const server = await runServer(configuration(await startUpstream(upstream)))
server.listen(0, '127.0.0.1', () => process.send(server.address().port))

function configuration(url) {
  const everybody = { access: '$all', publish: '$all', unpublish: '$all' }
  return {
    configPath: join(directory, 'verdaccio.yaml'),
    self_path: directory,
    storage,
    uplinks: { upstream: { url, cache: true, maxage: '1h', timeout: '10m', max_fails: 1e9 } },
    no_proxy: '127.0.0.1',
    packages: { '@modelseal/*': everybody, modelseal: everybody, '**': { access: '$all', proxy: 'upstream' } },
    auth: { htpasswd: { file: join(directory, 'htpasswd'), max_users: -1 } },
    web: { enable: false },
    log: { type: 'file', path: join(directory, 'verdaccio.log'), level: 'http', format: 'json' },
    publish: { allow_offline: true },
    max_body_size: '100mb',
  }
}
