import { webcrypto, type X509Certificate } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { readX509 } from '../x509/certificate.ts'

/** Re-exported for tests outside this package, which cannot import it by name. */
export * as asn1js from 'asn1js'

// Certificates and revocation lists for tests, created at run time. They are valid by default, and each part can be
// omitted or made wrong.

/** A certificate with its private key. */
export interface Issued {
  der: Buffer
  x509: X509Certificate
  fields: pkijs.Certificate
  keys: webcrypto.CryptoKeyPair
}

export interface IssueOptions {
  /** Attributes as [type, value]; a string is a common name. */
  subject: string | readonly (readonly [type: string, value: string | asn1js.OctetString | asn1js.BitString])[]
  /** Default: self-signed. */
  issuer?: Issued
  /** Basic constraints. Default: none. */
  ca?: boolean
  pathLength?: number
  usages?: readonly (keyof typeof USAGES)[]
  extendedUsages?: readonly string[]
  extendedCritical?: boolean
  /** Subject alternative names: [tag, value]. */
  names?: readonly Name[]
  permitted?: readonly Name[]
  excluded?: readonly Name[]
  notBefore?: Date
  notAfter?: Date
  /** Whether to include key identifiers. Default: true. */
  keyIds?: boolean
  keys?: webcrypto.CryptoKeyPair
  algorithm?: KeyAlgorithmName
  hash?: string
  extensions?: readonly pkijs.Extension[]
}

/** A general name: e-mail 1, DNS 2, directory 4, URI 6, IP 7 (bytes). */
export type Name =
  readonly [tag: 1 | 2 | 6, value: string] | readonly [tag: 4, value: string] | readonly [7, Uint8Array]

export type KeyAlgorithmName = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'RSA-PSS' | 'Ed25519'

const USAGES = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, cRLSign: 0x02 } as const
export const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
export const COMMON_NAME = '2.5.4.3'
export const ORGANIZATION = '2.5.4.10'

const DAY = 24 * 60 * 60 * 1000
let serial = 1000

/** A time some days from now. */
export function inDays(days: number): Date {
  // Certificates have a resolution of one second.
  return new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY)
}

/** A certificate authority. Self-signed without `issuer`. */
export function authority(subject: IssueOptions['subject'], options: Partial<IssueOptions> = {}): Promise<Issued> {
  return issue({ subject, ca: true, usages: ['keyCertSign', 'cRLSign'], ...options })
}

/** A certificate for signing. */
export function signingLeaf(issuer: Issued, options: Partial<IssueOptions> = {}): Promise<Issued> {
  return issue({ subject: 'Signer', issuer, usages: ['digitalSignature'], ...options })
}

export async function issue(options: IssueOptions): Promise<Issued> {
  const keys = options.keys ?? (await makeKeys(options.algorithm ?? 'P-256'))
  const fields = new pkijs.Certificate()
  fields.version = 2
  fields.serialNumber = new asn1js.Integer({ value: serial++ })
  fields.subject = distinguished(options.subject)
  fields.issuer = options.issuer?.fields.subject ?? fields.subject
  fields.notBefore = new pkijs.Time({ value: options.notBefore ?? inDays(-1) })
  fields.notAfter = new pkijs.Time({ value: options.notAfter ?? inDays(30) })
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey)
  fields.subjectPublicKeyInfo = pkijs.PublicKeyInfo.fromBER(spki)
  fields.extensions = await extensionsOf(options, fields)
  await sign(fields, (options.issuer?.keys ?? keys).privateKey, options.hash ?? 'SHA-256')
  const der = Buffer.from(fields.toSchema(true).toBER())
  return { der, x509: readX509(der), fields: pkijs.Certificate.fromBER(der), keys }
}

async function sign(fields: pkijs.Certificate, key: webcrypto.CryptoKey, hash: string): Promise<void> {
  if (key.algorithm.name !== 'Ed25519') return fields.sign(key, hash)
  // pkijs 4.0.0 cannot create these signatures.
  fields.signature = fields.signatureAlgorithm = new pkijs.AlgorithmIdentifier({ algorithmId: '1.3.101.112' })
  const valueHex = await webcrypto.subtle.sign('Ed25519', key, fields.encodeTBS().toBER())
  fields.tbsView = new Uint8Array(fields.encodeTBS().toBER())
  fields.signatureValue = new asn1js.BitString({ valueHex })
}

export interface RevocationListOptions {
  revoked?: readonly { certificate: Issued; at?: Date; extensions?: readonly pkijs.Extension[] }[]
  thisUpdate?: Date
  nextUpdate?: Date
  extensions?: readonly pkijs.Extension[]
  /** The signing key, if it is not the issuer's. */
  signer?: Issued
  hash?: string
}

/** A revocation list of an authority (DER). */
export async function revocationList(issuer: Issued, options: RevocationListOptions = {}): Promise<Buffer> {
  const list = new pkijs.CertificateRevocationList()
  list.version = 1
  list.issuer = issuer.fields.subject
  list.thisUpdate = new pkijs.Time({ value: options.thisUpdate ?? inDays(-1) })
  list.nextUpdate = new pkijs.Time({ value: options.nextUpdate ?? inDays(7) })
  if (options.revoked) {
    list.revokedCertificates = options.revoked.map(({ certificate, at, extensions }) => {
      const entry = new pkijs.RevokedCertificate()
      entry.userCertificate = certificate.fields.serialNumber
      entry.revocationDate = new pkijs.Time({ value: at ?? inDays(-1) })
      if (extensions) entry.crlEntryExtensions = new pkijs.Extensions({ extensions: [...extensions] })
      return entry
    })
  }
  if (options.extensions) list.crlExtensions = new pkijs.Extensions({ extensions: [...options.extensions] })
  await list.sign((options.signer ?? issuer).keys.privateKey, options.hash ?? 'SHA-256')
  const schema = list.toSchema(true) as asn1js.Sequence
  return Buffer.from(schema.toBER())
}

/** An extension; its value is DER. */
export function extension(extnID: string, critical: boolean, value: { toBER: () => ArrayBuffer }): pkijs.Extension {
  return new pkijs.Extension({ extnID, critical, extnValue: value.toBER() })
}

/** PEM of a certificate. */
export function pemOf({ der }: { der: Buffer }, label = 'CERTIFICATE'): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/** PEM of the private key (PKCS#8). */
export async function privateKeyPem({ keys }: Issued): Promise<string> {
  return pemOf({ der: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)) }, 'PRIVATE KEY')
}

const ALGORITHMS: Record<KeyAlgorithmName, object> = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  'P-521': { name: 'ECDSA', namedCurve: 'P-521' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
  'RSA-PSS': { name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
}

export function makeKeys(algorithm: KeyAlgorithmName): Promise<webcrypto.CryptoKeyPair> {
  const parameters = ALGORITHMS[algorithm] as webcrypto.EcKeyGenParams
  return webcrypto.subtle.generateKey(parameters, true, ['sign', 'verify'])
}

function distinguished(subject: IssueOptions['subject']): pkijs.RelativeDistinguishedNames {
  const attributes = typeof subject === 'string' ? [[COMMON_NAME, subject] as const] : subject
  // By default, pkijs writes all attributes as one relative name.
  const schema = new asn1js.Sequence({
    value: attributes.map(
      ([type, value]) =>
        new asn1js.Set({
          value: [
            new asn1js.Sequence({
              value: [
                new asn1js.ObjectIdentifier({ value: type }),
                typeof value === 'string' ? new asn1js.Utf8String({ value }) : value,
              ],
            }),
          ],
        }),
    ),
  })
  return new pkijs.RelativeDistinguishedNames({ schema: asn1js.fromBER(schema.toBER()).result })
}

async function extensionsOf(options: IssueOptions, fields: pkijs.Certificate): Promise<pkijs.Extension[]> {
  const extensions: pkijs.Extension[] = []
  const { ca, pathLength, usages, extendedUsages, names, permitted, excluded } = options
  if (ca !== undefined) {
    const constraints = new pkijs.BasicConstraints({
      cA: ca,
      ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
    })
    extensions.push(extension('2.5.29.19', true, constraints.toSchema()))
  }
  if (usages) {
    const bits = usages.reduce((all, usage) => all | USAGES[usage], 0)
    extensions.push(
      extension('2.5.29.15', true, new asn1js.BitString({ valueHex: new Uint8Array([bits]).buffer, unusedBits: 1 })),
    )
  }
  if (extendedUsages) {
    const value = new pkijs.ExtKeyUsage({ keyPurposes: [...extendedUsages] }).toSchema()
    extensions.push(extension('2.5.29.37', options.extendedCritical ?? false, value))
  }
  if (names) {
    extensions.push(extension('2.5.29.17', false, new pkijs.AltName({ altNames: names.map(generalName) }).toSchema()))
  }
  if (permitted ?? excluded) {
    const value = new pkijs.NameConstraints({
      ...(permitted ? { permittedSubtrees: permitted.map(subtree) } : {}),
      ...(excluded ? { excludedSubtrees: excluded.map(subtree) } : {}),
    })
    extensions.push(extension('2.5.29.30', true, value.toSchema()))
  }
  if (options.keyIds !== false) {
    const own = await keyId(fields)
    extensions.push(extension('2.5.29.14', false, new asn1js.OctetString({ valueHex: own })))
    const keyIdentifier = new asn1js.OctetString({
      valueHex: options.issuer ? await keyId(options.issuer.fields) : own,
    })
    extensions.push(extension('2.5.29.35', false, new pkijs.AuthorityKeyIdentifier({ keyIdentifier }).toSchema()))
  }
  return [...extensions, ...(options.extensions ?? [])]
}

function keyId(fields: pkijs.Certificate): Promise<ArrayBuffer> {
  return webcrypto.subtle.digest('SHA-1', fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView.slice())
}

function subtree(name: Name): pkijs.GeneralSubtree {
  return new pkijs.GeneralSubtree({ base: generalName(name) })
}

function generalName([type, value]: Name): pkijs.GeneralName {
  if (type === 4) return new pkijs.GeneralName({ type, value: distinguished([[ORGANIZATION, value]]) })
  if (type === 7)
    return new pkijs.GeneralName({ type, value: new asn1js.OctetString({ valueHex: value.slice().buffer }) })
  return new pkijs.GeneralName({ type, value })
}
