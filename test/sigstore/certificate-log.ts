import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Certificate } from 'pkijs'

const POISON = '1.3.6.1.4.1.11129.2.4.3'

/** The part of a certificate transparency log (RFC 6962) that Fulcio uses: it signs promises but stores nothing. */
export async function startCertificateLog() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const id = createHash('sha256').update(spki).digest()

  /** RFC 6962 section 3.2, for a precertificate. */
  const promise = (chain: readonly string[]) => {
    const [precertificate, issuer] = chain.map((encoded) => Certificate.fromBER(Buffer.from(encoded, 'base64')))
    if (!precertificate || !issuer) throw new Error('a chain of two is needed')
    precertificate.extensions = (precertificate.extensions ?? []).filter(({ extnID }) => extnID !== POISON)
    const tbs = Buffer.from(precertificate.encodeTBS().toBER())
    const issuerKey = Buffer.from(issuer.subjectPublicKeyInfo.toSchema().toBER())
    const timestamp = Date.now()
    const signed = Buffer.alloc(12)
    signed.writeBigUInt64BE(BigInt(timestamp), 2)
    signed.writeUInt16BE(1, 10)
    const length = Buffer.alloc(3)
    length.writeUIntBE(tbs.length, 0, 3)
    const issuerHash = createHash('sha256').update(issuerKey).digest()
    const signature = sign('sha256', Buffer.concat([signed, issuerHash, length, tbs, Buffer.alloc(2)]), privateKey)
    const header = Buffer.from([4, 3, signature.length >> 8, signature.length & 0xff])
    return {
      sct_version: 0,
      id: id.toString('base64'),
      timestamp,
      extensions: '',
      signature: Buffer.concat([header, signature]).toString('base64'),
    }
  }

  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      const { chain } = JSON.parse(body) as { chain: string[] }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(promise(chain)))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spki,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
