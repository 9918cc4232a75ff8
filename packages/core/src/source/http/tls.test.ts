import { createPrivateKey, webcrypto } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authority, issue, SERVER_AUTH, type Issued } from '../../testing/authority.ts'
import { file, redirect, serve, serveTls } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import { HttpClient } from './client.ts'
import { checkedHttpOptions, type HttpOptions } from './options.ts'

let trusted: Issued
let stranger: Issued
const before = getCACertificates('default')

beforeAll(async () => {
  trusted = await authority('Trusted')
  stranger = await authority('Stranger')
  setDefaultCACertificates([...before, trusted.x509.toString()])
})
afterAll(() => setDefaultCACertificates(before))

/** A key and a certificate for an HTTPS server on this machine. */
async function certified(issuer: Issued): Promise<{ key: string; cert: string }> {
  const usages = { usages: ['digitalSignature'], extendedUsages: [SERVER_AUTH] } as const
  const leaf = await issue({ subject: 'Server', issuer, ...usages, names: [[7, new Uint8Array([127, 0, 0, 1])]] })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', leaf.keys.privateKey))
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: leaf.x509.toString() }
}

function get(url: string, options: HttpOptions = {}): Promise<string | undefined> {
  const client = new HttpClient(new URL(url).origin, checkedHttpOptions(options), undefined)
  return client.get({ url: new URL(url), what: 'file' }, async ({ chunks }) => {
    let text = ''
    for await (const chunk of chunks) text += Buffer.from(chunk).toString()
    return text
  })
}

test('a file is received only from a server with a trusted certificate', async () => {
  const good = await serveTls(await certified(trusted), { '/file': file('weights') })
  expect(await get(`${good.origin}/file`)).toBe('weights')
  const evil = await serveTls(await certified(stranger), { '/file': file('weights') })
  await expect(get(`${evil.origin}/file`)).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  expect(evil.asked).toEqual([])
})

test("a redirect from http to https on the same host is followed, without the caller's headers", async () => {
  const seen: unknown[] = []
  const secure = await serveTls(await certified(trusted), {
    '/file': ({ headers }, response) => {
      seen.push(headers.authorization)
      response.end('weights')
    },
  })
  const { origin } = await serve({ '/file': redirect(`${secure.origin}/file`) })
  expect(await get(`${origin}/file`, { headers: { authorization: 'Bearer secret' } })).toBe('weights')
  expect(seen).toEqual([undefined])
})

test('a redirect from https to http is refused, even if the caller listed the origin', async () => {
  const plain = await serve({ '/file': file('weights') })
  const { origin } = await serveTls(await certified(trusted), { '/file': redirect(`${plain.origin}/file`) })
  const load = get(`${origin}/file`, { redirectOrigins: [plain.origin] })
  await expect(load).rejects.toThrow(refusal('HTTP_REDIRECT'))
  expect(plain.asked).toEqual([])
})
