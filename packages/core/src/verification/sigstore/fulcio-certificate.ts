import type * as asn1js from 'asn1js'
import { messageOf } from '../../any-realm.ts'
import { alternativeNames } from '../../x509/alternative-names.ts'
import { parseCertificate, type Certificate } from '../../x509/certificate.ts'
import { checkValueCount } from '../../x509/identifier-bytes.ts'
import { ModelSealError, shown } from '../../errors.ts'

/** The claims of a Fulcio certificate about its subject. */
export interface FulcioClaims {
  certificate: Certificate
  identity: string
  issuer: string
  extensions: Record<string, string>
}

const ARC = '1.3.6.1.4.1.57264.1'
const ISSUER = `${ARC}.8`
/** The issuer as a bare string, before Fulcio 1.0. */
const OLD_ISSUER = `${ARC}.1`
const OTHER_NAME = `${ARC}.7`

/** Extensions whose value is bare text; all later ones contain a DER string (Fulcio, `oid-info.md`). */
const OLD_EXTENSIONS: Readonly<Record<string, string>> = {
  2: 'githubWorkflowTrigger',
  3: 'githubWorkflowSha',
  4: 'githubWorkflowName',
  5: 'githubWorkflowRepository',
  6: 'githubWorkflowRef',
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  9: 'buildSignerUri',
  10: 'buildSignerDigest',
  11: 'runnerEnvironment',
  12: 'sourceRepositoryUri',
  13: 'sourceRepositoryDigest',
  14: 'sourceRepositoryRef',
  15: 'sourceRepositoryIdentifier',
  16: 'sourceRepositoryOwnerUri',
  17: 'sourceRepositoryOwnerIdentifier',
  18: 'buildConfigUri',
  19: 'buildConfigDigest',
  20: 'buildTrigger',
  21: 'runInvocationUri',
  22: 'sourceRepositoryVisibilityAtSigning',
  23: 'deploymentEnvironment',
}

/** Names of the extensions that a verifier can require. */
export const EXTENSION_NAMES: readonly string[] = [...Object.values(OLD_EXTENSIONS), ...Object.values(EXTENSIONS)]

/**
 * Reads the claims of a Fulcio certificate, byte for byte: exactly one subject alternative name, and
 * the issuer of its token. Do not trust them before the certificate is verified.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_INVALID`
 */
export async function readFulcioClaims(der: Buffer, path: string | undefined): Promise<FulcioClaims> {
  const certificate = await parseCertificate(der, path)
  const { fromBER } = await import('asn1js')
  try {
    // `@sigstore/core` will read it, too.
    checkValueCount(der)
    const values = new Map(
      (certificate.fields.extensions ?? []).map(({ extnID, extnValue }) => [
        extnID,
        Buffer.from(extnValue.valueBlock.valueHexView),
      ]),
    )
    const parsed = (value: Buffer) => whole(fromBER(value), value)
    return {
      certificate,
      identity: await identityOf(certificate),
      issuer: issuerOf(values, parsed),
      extensions: extensionsOf(values, parsed),
    }
  } catch (cause) {
    throw new ModelSealError('CERTIFICATE_INVALID', 'The certificate is not one that Fulcio issues.', {
      file: path,
      found: shown(messageOf(cause)),
      cause,
    })
  }
}

type Values = ReadonlyMap<string, Buffer>
type Parse = (value: Buffer) => asn1js.AsnType

function whole({ offset, result }: asn1js.FromBerResult, { length }: Buffer): asn1js.AsnType {
  if (offset !== length) throw new Error('an extension is malformed')
  return result
}

/** With two names, two readers could see two different signers. */
async function identityOf(certificate: Certificate): Promise<string> {
  const names = await alternativeNames(certificate)
  const [name] = names
  if (!name || names.length !== 1) throw new Error(`${names.length} subject alternative names instead of one`)
  // RFC 5280 4.2.1.6: rfc822Name and uniformResourceIdentifier; Fulcio uses an otherName for everything else.
  if (name.kind === 'email' || name.kind === 'URI' || name.type === OTHER_NAME) return name.value
  throw new Error(
    name.kind === 'unreadable' ? 'a name that cannot be read' : 'another type of subject alternative name',
  )
}

function issuerOf(values: Values, parse: Parse): string {
  const [current, old] = [values.get(ISSUER), values.get(OLD_ISSUER)]
  const issuer = current && text(parse(current))
  const oldIssuer = old && decode(old)
  if (issuer !== undefined && oldIssuer !== undefined && issuer !== oldIssuer) throw new Error('two issuers')
  const found = issuer ?? oldIssuer
  if (found === undefined) throw new Error('no issuer')
  return found
}

function extensionsOf(values: Values, parse: Parse): Record<string, string> {
  const named: [string, string][] = []
  for (const [number, name] of Object.entries(OLD_EXTENSIONS)) {
    const value = values.get(`${ARC}.${number}`)
    if (value) named.push([name, decode(value)])
  }
  for (const [number, name] of Object.entries(EXTENSIONS)) {
    const value = values.get(`${ARC}.${number}`)
    if (value) named.push([name, text(parse(value))])
  }
  return Object.fromEntries(named)
}

/** Decodes the raw bytes: a library that reads them as ASCII could confuse two identities. */
function text(value: asn1js.AsnType): string {
  return decode((value.valueBlock as { valueHexView?: Uint8Array }).valueHexView ?? new Uint8Array())
}

function decode(bytes: Uint8Array): string {
  const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  if (decoded === '') throw new Error('an empty text')
  return decoded
}
