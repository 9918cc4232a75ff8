import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** What the log stores and everyone may read (C2SP tlog-tiles). */
const STORED = /^\/api\/v2\/(checkpoint|tile\/(?:\d+|entries)\/[\dx/]+(?:\.p\/\d+)?)$/

/**
 * The front of a log, as the public instances have one: Rekor v2 only writes, and a web server serves what it has stored.
 *
 * @param storage directory of the log
 */
export async function startLogFront(storage: string, rekorPort: number): Promise<{ url: string; stop(): void }> {
  const server = createServer((asked, answer) => {
    const [, stored] = STORED.exec(asked.url ?? '') ?? []
    if (stored !== undefined) {
      readFile(join(storage, stored)).then(
        (bytes) => answer.end(bytes),
        () => answer.writeHead(404).end(),
      )
      return
    }
    const { method, url, headers } = asked
    const forwarded = request({ host: '127.0.0.1', port: rekorPort, method, path: url, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(answer)
    })
    forwarded.on('error', () => answer.writeHead(502).end())
    asked.pipe(forwarded)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
