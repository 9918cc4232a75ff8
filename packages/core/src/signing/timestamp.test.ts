import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { authority, privateKeyPem } from '../testing/authority.ts'
import { answer, rejection, timestamp, timestampAuthority } from '../testing/timestamp.ts'
import { parseTimestamp } from '../bundle/timestamp.ts'
import { keySigner } from './methods/key.ts'
import { signModel } from './sign-model.ts'
import { timestampFrom } from './timestamp.ts'

const { signer } = await timestampAuthority()
const data = Buffer.from('a signature')

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/tsr`
}

/** A server that answers each request with the result of `make`. */
function answering(make: (request: Buffer, headers: IncomingMessage['headers']) => Buffer | Promise<Buffer>) {
  return serving((request, response: ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      void Promise.resolve(make(Buffer.concat(chunks), request.headers)).then((body) => {
        response.writeHead(200, { 'content-type': 'application/timestamp-reply' })
        response.end(body)
      })
    })
  })
}

test('returns the response of the authority, which covers the data and belongs to the request', async () => {
  let type: string | undefined
  const url = await answering((request, headers) => {
    type = headers['content-type']
    return answer(signer, request, data)
  })
  const { at } = await parseTimestamp(await timestampFrom({ url, data }))
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(10 * 60_000)
  expect(type).toBe('application/timestamp-query')
})

test('covers the data at the time of the call, even if it changes later', async () => {
  const url = await answering((request) => answer(signer, request, data))
  const changing = { url, data: Uint8Array.from(data) }
  const response = timestampFrom(changing)
  changing.data.fill(0)
  changing.data = Buffer.from('other')
  const { at } = await parseTimestamp(await response)
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(10 * 60_000)
})

test('refuses a response over other data, for another request, or that is malformed', async () => {
  for (const make of [
    (request: Buffer) => answer(signer, request, Buffer.from('other')),
    () => timestamp(signer, data),
    () => Buffer.from('<html>'),
    () => Buffer.alloc(0),
    () => Buffer.alloc(100 * 1024, 0x30),
  ]) {
    await expect(timestampFrom({ url: await answering(make), data })).rejects.toMatchObject({ code: 'TSA_RESPONSE' })
  }
})

test('says why the authority refused', async () => {
  const url = await answering(() => rejection('quota exceeded'))
  await expect(timestampFrom({ url, data })).rejects.toMatchObject({
    code: 'TSA_REFUSED',
    found: expect.stringContaining('quota exceeded') as string,
  })
  const down = await serving((_, response) => response.writeHead(503).end())
  await expect(timestampFrom({ url: down, data })).rejects.toMatchObject({ code: 'TSA_REFUSED' })
})

test('does not follow redirects', async () => {
  const good = await answering((request) => answer(signer, request, data))
  const url = await serving((_, response) => response.writeHead(307, { location: good }).end())
  await expect(timestampFrom({ url, data })).rejects.toMatchObject({ code: 'TSA_UNREACHABLE' })
})

test('gives up on an authority that does not respond or does not exist', async () => {
  const url = await serving(() => {})
  await expect(timestampFrom({ url, data, timeoutMs: 50 })).rejects.toMatchObject({ code: 'TSA_UNREACHABLE' })
  const slow = await serving((_, response) => response.writeHead(200).write('0'))
  await expect(timestampFrom({ url: slow, data, timeoutMs: 50 })).rejects.toMatchObject({ code: 'TSA_UNREACHABLE' })
  await expect(timestampFrom({ url: 'http://127.0.0.1:1/', data })).rejects.toMatchObject({ code: 'TSA_UNREACHABLE' })
})

test('stops when the caller aborts', async () => {
  const controller = new AbortController()
  const url = await serving(() => controller.abort())
  await expect(timestampFrom({ url, data, signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
})

test('accepts only http and https, and neither accepts nor reveals a password in the URL', async () => {
  for (const url of ['', 'tsa.example.org', 'file:///etc/passwd', 'https://user:secret@tsa.example.org/']) {
    await expect(timestampFrom({ url, data })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.not.stringContaining('secret') as string,
    })
  }
})

test('a model is not signed if it gets no timestamp', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'modelseal-'))
  try {
    const key = join(directory, 'release.key')
    await writeFile(key, await privateKeyPem(await authority('Signer')))
    const model = join(directory, 'model.onnx')
    await writeFile(model, 'weights')
    const outcome = signModel(model, {
      signer: await keySigner({ privateKey: key }),
      timestampAuthority: await answering(() => rejection('no')),
    })
    await expect(outcome).rejects.toMatchObject({ code: 'TSA_REFUSED' })
    expect(existsSync(`${model}.sig`)).toBe(false)
  } finally {
    await rm(directory, { recursive: true })
  }
})
