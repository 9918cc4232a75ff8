// Reads rows of a Parquet file once, and prints what it took:
//   node read-rows-once.mjs plain|verified PLACE FILE POLICY FIRST END
// PLACE is a directory or an s3:// URL.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { join } from 'node:path'
import { openVerifiedDataset } from '@modelseal/core'
import { presignedUrl } from '@modelseal/s3'
import { hyparquet } from '../parquet-file.mjs'

const [way, place, name, policy, first, end] = process.argv.slice(2)
const [rowStart, rowEnd] = [Number(first), Number(end)]
const isRemote = place.startsWith('s3://')
let received = 0
if (isRemote) await countTraffic()

const opened = await (way === 'plain' ? plain() : verified())
const before = bytesSoFar()
const start = process.hrtime.bigint()
const rows = await opened.rows()
const seconds = Number(process.hrtime.bigint() - start) / 1e9
const bytes = bytesSoFar() - before
const digest = createHash('sha256')
for (const { id, text, embedding } of rows) digest.update(`${id} ${text} `).update(embedding)
if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} rows`)
console.log(JSON.stringify({ bytes, seconds, opening: opened.seconds, digest: digest.digest('hex') }))
process.exit()

async function plain() {
  const { asyncBufferFromFile, asyncBufferFromUrl, parquetReadObjects } = hyparquet
  const start = process.hrtime.bigint()
  const file = isRemote
    ? await asyncBufferFromUrl({ url: await presignedUrl(`${place}/${name}`), byteLength: await remoteSize() })
    : await asyncBufferFromFile(join(place, name))
  return {
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    rows: () => parquetReadObjects({ file, rowStart, rowEnd }),
  }
}

async function remoteSize() {
  const answer = await fetch(await presignedUrl(`${place}/${name}`), { headers: { range: 'bytes=0-0' } })
  await answer.arrayBuffer()
  return Number(answer.headers.get('content-range').split('/')[1])
}

async function verified() {
  const start = process.hrtime.bigint()
  const dataset = await openVerifiedDataset(place, { policy })
  return {
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    rows: () => dataset.rows(name, { rowStart, rowEnd }),
  }
}

/** What this process has read from files, or received from the store with all headers. */
function bytesSoFar() {
  if (isRemote) return received
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))[1])
}

/** Puts a counter between the store and this process. */
async function countTraffic() {
  const { hostname, port } = new URL(process.env.AWS_ENDPOINT_URL_S3)
  const server = createServer((client) => {
    const store = connect(Number(port), hostname)
    store.on('data', (chunk) => (received += chunk.length))
    client.pipe(store).pipe(client)
    for (const socket of [client, store]) socket.on('error', () => socket.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  process.env.AWS_ENDPOINT_URL_S3 = `http://127.0.0.1:${server.address().port}`
}
