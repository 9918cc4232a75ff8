import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { TestTuf } from '../../packages/core/src/testing/tuf.ts'
import { startCertificateLog } from './certificate-log.ts'
import { IdentityProvider } from './identity-provider.ts'
import { BINARIES } from './install.mjs'
import { startLogFront } from './log-front.ts'

export const EMAIL = 'signer@example.com'

/** A running Sigstore instance. */
export interface Stack {
  /** Path of the ClientTrustConfig. */
  trustConfig: string
  /** Path of the bare trusted root. */
  trustedRoot: string
  /** The TUF repository that distributes the trusted root and signing config: its URL, and the path of its `root.json`. */
  tufUrl: string
  tufRoot: string
  provider: IdentityProvider
  stop(): Promise<void>
}

/** Starts Fulcio, Rekor v2, a timestamp authority and the services they need, all on loopback. */
export async function startStack(): Promise<Stack> {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-sigstore-'))
  const [provider, certificateLog] = [await new IdentityProvider(EMAIL).start(), await startCertificateLog()]
  const servers: ChildProcess[] = []
  const fronts: { stop(): void }[] = []
  const repository = createHttpServer().listen(0, '127.0.0.1')
  await once(repository, 'listening')
  const stop = async () => {
    repository.close()
    repository.closeAllConnections()
    provider.stop()
    certificateLog.stop()
    for (const front of fronts) front.stop()
    for (const server of servers) {
      if (server.exitCode !== null) continue
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  }
  const start = (binary: string, ...args: string[]) => {
    servers.push(spawn(join(BINARIES, binary), ['serve', ...args], { stdio: 'ignore', cwd: directory }))
  }
  try {
    const [fulcio, fulcioGrpc, fulcioMetrics, rekor, rekorGrpc, rekorMetrics, tsa] = await freePorts(7)
    const rekorKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = (name: string, content: string) => {
      writeFileSync(join(directory, name), content, { mode: 0o600 })
      return join(directory, name)
    }
    mkdirSync(join(directory, 'rekor'))
    const config = `oidc-issuers:\n  ${provider.url}:\n    issuer-url: ${provider.url}\n    client-id: sigstore\n    type: email\n`
    start(
      'fulcio',
      '--ca=ephemeralca',
      '--host=127.0.0.1',
      '--grpc-host=127.0.0.1',
      `--port=${fulcio}`,
      `--grpc-port=${fulcioGrpc}`,
      `--metrics-port=${fulcioMetrics}`,
      `--legacy-unix-domain-socket=${join(directory, 'fulcio.sock')}`,
      `--ct-log-url=${certificateLog.url}`,
      `--config-path=${file('fulcio.yaml', config)}`,
    )
    start(
      'posix',
      `--http-port=${rekor}`,
      `--grpc-port=${rekorGrpc}`,
      `--http-metrics-port=${rekorMetrics}`,
      '--hostname=127.0.0.1',
      `--storage-dir=${join(directory, 'rekor')}`,
      `--signer-filepath=${file('rekor.pem', String(rekorKeys.privateKey.export({ type: 'pkcs8', format: 'pem' })))}`,
      '--checkpoint-interval=200ms',
      '--batch-max-age=50ms',
    )
    start(
      'timestamp-server',
      '--timestamp-signer=memory',
      '--disable-ntp-monitoring',
      '--host=127.0.0.1',
      `--port=${tsa}`,
    )

    const front = await startLogFront(join(directory, 'rekor'), rekor ?? 0)
    fronts.push(front)
    const [authority, stamps] = [fulcio, tsa].map((port) => `http://127.0.0.1:${port}`)
    const log = front.url
    const bundle = JSON.parse(await answered(`${authority}/api/v2/trustBundle`)) as {
      chains: { certificates: string[] }[]
    }
    const stampChain = await answered(`${stamps}/api/v1/timestamp/certchain`)
    await answered(`${log}/healthz`)

    const validFor = { start: '2020-01-01T00:00:00Z' }
    const logOf = (baseUrl: string, spki: Buffer) => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: { rawBytes: spki.toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
      logId: { keyId: createHash('sha256').update(spki).digest().toString('base64') },
    })
    const authorityOf = (uri: string, certificates: string[]) => ({
      subject: { organization: 'test', commonName: 'test' },
      uri,
      certChain: { certificates: certificates.map((rawBytes) => ({ rawBytes })) },
      validFor,
    })
    const trustedRoot = {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [logOf(log, rekorKeys.publicKey.export({ type: 'spki', format: 'der' }))],
      ctlogs: [logOf(certificateLog.url, certificateLog.spki)],
      certificateAuthorities: [authorityOf(`${authority}`, (bundle.chains[0]?.certificates ?? []).flatMap(derOf))],
      timestampAuthorities: [authorityOf(`${stamps}`, derOf(stampChain))],
    }
    const service = (url: string, majorApiVersion: number) => [{ url, majorApiVersion, validFor, operator: 'test' }]
    const signingConfig = {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: service(`${authority}`, 1),
      oidcUrls: service(provider.url, 1),
      rekorTlogUrls: service(log, 2),
      tsaUrls: service(`${stamps}/api/v1/timestamp`, 1),
      rekorTlogConfig: { selector: 'ANY' },
      tsaConfig: { selector: 'ANY' },
    }
    const tuf = new TestTuf({
      'trusted_root.json': JSON.stringify(trustedRoot),
      'signing_config.v0.2.json': JSON.stringify(signingConfig),
    })
    repository.on('request', tuf.answer)
    return {
      tufUrl: `http://127.0.0.1:${(repository.address() as AddressInfo).port}`,
      tufRoot: file('root.json', tuf.anchor.toString()),
      trustedRoot: file('trusted_root.json', JSON.stringify(trustedRoot)),
      trustConfig: file(
        'trust_config.json',
        JSON.stringify({
          mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
          trustedRoot,
          signingConfig,
        }),
      ),
      provider,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The DER of each certificate in a PEM text, as base64. */
function derOf(pem: string): string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, body]) =>
    (body ?? '').replace(/\s/g, ''),
  )
}

async function answered(url: string): Promise<string> {
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      const response = await fetch(url)
      if (response.ok) return await response.text()
    } catch {
      // It is not up yet.
    }
    await wait(100)
  }
  throw new Error(`${url} does not answer.`)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}
