// Publishes the feeds of the benchmark: a process of its own, so that its memory and time are not those of the service.
import { createHash, randomBytes, sign } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { signFeed } from '@modelseal/core/advisory'
import { keySigner } from '@modelseal/core/signing'

const { directory, feeds, entries } = JSON.parse(process.argv[2])
const privateKey = await readFile(join(directory, 'security.key'))
const template = await signedOnce()
const etags = new Map()
/** Digests of models that nobody has. */
const digests = Array.from({ length: entries }, () => randomBytes(32).toString('hex'))
let isChanged = false

for (let feed = 0; feed < feeds; feed++)
  await publish(
    feed,
    1,
    digests.map((digest) => `${String(feed).padStart(4, '0')}${digest.slice(4)}`),
  )
const server = createServer((request, response) => serve(request, response))
server.listen(0, '127.0.0.1', async () => {
  const { size } = await stat(join(directory, '0.jsonl'))
  process.send({ port: server.address().port, bytes: size })
})
process.on('message', async ({ deny }) => {
  await publish(0, 2, [...digests, deny])
  isChanged = true
})
process.on('disconnect', () => process.exit())

function serve({ url, headers }, response) {
  const etag = etags.get(url)
  if (etag === undefined) return response.writeHead(404).end()
  if (headers['if-none-match'] === etag) return response.writeHead(304).end()
  if (isChanged && url === '/0.jsonl') process.send({ asked: Date.now() })
  response.writeHead(200, { etag })
  return createReadStream(join(directory, url)).pipe(response)
}

/** A small feed, whose parts the others share: signing a hundred large ones as a publisher does would take minutes. */
async function signedOnce() {
  const source = join(directory, 'template.json')
  const output = join(directory, 'template.jsonl')
  await writeFile(
    source,
    JSON.stringify({ feed: 'urn:feed', expires: '1d', denied: { rootDigests: ['0'.repeat(64)] } }),
  )
  await signFeed(source, {
    signer: await keySigner({ privateKey: join(directory, 'security.key') }),
    output,
    expires: '1d',
  })
  const bundle = JSON.parse(await readFile(output, 'utf8'))
  return { bundle, statement: JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) }
}

async function publish(number, sequence, rootDigests) {
  const { bundle, statement } = template
  const { expires, issued } = statement.predicate
  const feed = `urn:feed:${number}`
  // In the order of their names: the canonical JSON.
  const predicate = { denied: { rootDigests }, expires, feed, issued, sequence }
  const sha256 = createHash('sha256').update(JSON.stringify(predicate)).digest('hex')
  const payload = Buffer.from(
    JSON.stringify({ ...statement, subject: [{ name: feed, digest: { sha256 } }], predicate }),
  )
  const { payloadType, signatures } = bundle.dsseEnvelope
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload])
  const sig = sign('sha256', signed, privateKey).toString('base64')
  const dsseEnvelope = {
    ...bundle.dsseEnvelope,
    payload: payload.toString('base64'),
    signatures: [{ ...signatures[0], sig }],
  }
  const path = join(directory, `${number}.jsonl`)
  const content = JSON.stringify({ ...bundle, dsseEnvelope })
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
  etags.set(`/${number}.jsonl`, `"${createHash('sha256').update(content).digest('hex')}"`)
}
