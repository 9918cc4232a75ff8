// The advisory feed of the drill: made by the command line, and served by a web server on this machine.
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { run } from './processes.mjs'

const MODELSEAL = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')

/**
 * Publishes a feed that denies nothing yet.
 *
 * @param directory has the key of its signer, `security.key`
 */
export async function publishFeed(directory) {
  const source = join(directory, 'advisories.yaml')
  const signed = join(directory, 'advisories.jsonl')
  const served = join(directory, 'served')
  mkdirSync(served)

  /** @returns when it was signed, in milliseconds since 1970 */
  async function publish() {
    await advisory('sign', 'key', source, '--output', signed, '--private-key', join(directory, 'security.key'))
    // By renaming, so that nobody is served a part of it.
    copyFileSync(signed, join(served, 'advisories.new'))
    renameSync(join(served, 'advisories.new'), join(served, 'advisories.jsonl'))
    return statSync(signed).mtimeMs
  }

  await advisory('create', source, '--feed', 'drill')
  await publish()
  const server = await serve(served)
  return {
    url: `http://127.0.0.1:${server.address().port}/advisories.jsonl`,
    add: (denied) => advisory('add', source, ...denied, '--reason', 'a drill'),
    remove: (denied) => advisory('remove', source, ...denied),
    publish,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function advisory(...args) {
  return run([MODELSEAL, 'advisory', ...args])
}

/** A server that tells with an entity tag whether the feed has changed, as web servers and CDNs do. */
async function serve(directory) {
  const server = createServer((request, response) => {
    const feed = readFileSync(join(directory, 'advisories.jsonl'))
    const etag = `"${createHash('sha256').update(feed).digest('hex')}"`
    if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
    else response.writeHead(200, { etag }).end(feed)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
