// A hub and a registry with one model whose files repeat a block, so that serving them costs little. Its first line says
// where it listens. Each line on its standard input is answered with the bytes sent and the processor time used so far.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [directory, mib] = process.argv.slice(2)
const block = readFileSync(`${directory}/block`)
const small = ['config.json', 'model.sig'].map((name) => [name, readFileSync(`${directory}/${name}`)])
const files = new Map([
  ...small.map(([name, bytes]) => [name, { size: bytes.length, bytes }]),
  ...[1, 2, 3, 4].map((number) => [`weights-${number}.bin`, { size: mib * block.length }]),
])
const weights = readFileSync(`${directory}/weights.sha256`, 'utf8')
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
for (const file of files.values()) file.sha256 = file.bytes ? sha256(file.bytes) : weights
const commit = 'c'.repeat(40)

const sockets = new Set()
function listening(answer) {
  const server = createServer(answer)
  server.on('connection', (socket) => sockets.add(socket))
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)),
  )
}

function send(request, response, { size, bytes, sha256: digest }) {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = last ? Number(last) + 1 : size
  const range = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }
  response.writeHead(first === undefined ? 200 : 206, { 'content-length': end - start, etag: `"${digest}"`, ...range })
  if (request.method === 'HEAD') return response.end()
  if (bytes) return response.end(bytes.subarray(start, end))
  let position = start
  const more = () => {
    while (position < end) {
      const offset = position % block.length
      const piece = block.subarray(offset, Math.min(block.length, offset + end - position))
      position += piece.length
      if (!response.write(piece)) return response.once('drain', more)
    }
    response.end()
  }
  more()
}

const json = (response, content, headers = {}) =>
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(content)

const storage = await listening((request, response) => send(request, response, files.get(request.url.slice(1))))
const empty = Buffer.from('{}')
const hub = await listening((request, response) => {
  const { pathname } = new URL(request.url, 'http://hub')
  const name = decodeURIComponent(pathname.split('/').at(-1))
  if (pathname.startsWith('/api/') && pathname.includes('/tree/')) {
    const entries = [...files].map(([path, { size, bytes, sha256: oid }]) => ({
      type: 'file',
      oid: '0'.repeat(40),
      size,
      path,
      ...(bytes ? {} : { lfs: { oid, size, pointerSize: 130 } }),
    }))
    json(response, JSON.stringify(pathname.endsWith(commit) || pathname.endsWith('main') ? entries : []))
  } else if (pathname.startsWith('/api/')) {
    const siblings = [...files.keys()].map((rfilename) => ({ rfilename }))
    json(response, JSON.stringify({ id: 'org/bench', sha: commit, siblings }))
  } else if (pathname.includes('/resolve/') && files.has(name)) {
    const file = files.get(name)
    response.setHeader('x-repo-commit', commit)
    if (file.bytes) return send(request, response, file)
    const linked = { 'x-linked-etag': `"${file.sha256}"`, 'x-linked-size': file.size }
    response.writeHead(302, { location: `${storage}/${name}`, ...linked }).end()
  } else if (pathname.includes('/manifests/')) {
    const layers = [...files].map(([title, { size, sha256: digest }]) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: `sha256:${digest}`,
      size,
      annotations: { 'org.opencontainers.image.title': title },
    }))
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: `sha256:${sha256(empty)}`, size: 2 }
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType, artifactType: 'application/x', config, layers })
    const head = { 'content-type': mediaType, 'docker-content-digest': `sha256:${sha256(manifest)}` }
    const length = Buffer.byteLength(manifest)
    response.writeHead(200, { ...head, 'content-length': length }).end(request.method === 'HEAD' ? '' : manifest)
  } else if (pathname.includes('/blobs/')) {
    const file = [...files.values(), { size: 2, bytes: empty, sha256: sha256(empty) }].find(
      (each) => name === `sha256:${each.sha256}`,
    )
    if (file) send(request, response, file)
    else response.writeHead(404).end()
  } else if (pathname === '/v2/') response.end('{}')
  else response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
})

console.log(JSON.stringify({ hub, storage }))
process.stdin.on('data', () => {
  const bytes = [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  const { user, system } = process.cpuUsage()
  console.log(JSON.stringify({ bytes, busy: (user + system) / 1e6 }))
})
process.stdin.on('end', () => process.exit())
