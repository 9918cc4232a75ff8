import type { BundleLatest } from '@sigstore/bundle'
import type { SignedEntity, TrustMaterial } from '@sigstore/verify'
import { isError, messageOf, propertyOf } from '../../any-realm.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { checkBundle } from '../../bundle/check-bundle.ts'
import { identityWords, methodHint } from '../../bundle/signer-words.ts'
import { fingerprintOf, serialNumberOf, signingKeyOf } from '../../x509/certificate.ts'
import { checkSigningUsage } from '../../x509/key-usages.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { checkValueCount } from '../../x509/identifier-bytes.ts'
import { MAX_TIMESTAMP_BYTES } from '../../bundle/timestamp.ts'
import { inTurns } from '../../source/turns.ts'
import { checkObject, dateCopy, required, text } from '../../kinds.ts'
import { knownOptions, snapshot, parsedWithoutPrototypes, plainCopy, textsCopy, type Shape } from '../../snapshot.ts'
import { Effort, passAbort } from '../effort.ts'
import { readFulcioClaims, type FulcioClaims } from '../sigstore/fulcio-certificate.ts'
import { sigstoreFault } from '../sigstore/fault.ts'
import { signedContentSteps } from '../sigstore/signed-content.ts'
import { checkAuthorities, issuerPath, issuersOf, materialAt } from '../sigstore/authority.ts'
import { checkSignatureAlgorithm } from '../../x509/strength.ts'
import { checkEntries, checkLoggedCertificate, checkLogs, logEntryOf } from '../sigstore/log.ts'
import { checkTimes, earliestTime, statedTimes, timestampPath } from '../sigstore/time.ts'
import type { SigstoreTrust } from '../sigstore/trust.ts'
import type { SignedPayload } from '../statement-signature.ts'
import type { LogEntry, SignatureTime, SigstoreIdentity } from '../../results.ts'
import { asVerified, verifiedSignature, type VerifiedEnvelope, type VerifiedSignature } from '../verified-signature.ts'

/** The identity that must have signed. Each text is compared byte for byte. */
export interface ExpectedIdentity {
  /** Subject alternative name of the certificate: an e-mail address, or the URI of a workflow. */
  identity: string
  /** URL of the OpenID Connect issuer. */
  issuer: string
  /** Extensions of the certificate by name, such as `sourceRepositoryRef`. */
  extensions?: Readonly<Record<string, string>> | undefined
}

/**
 * Verifies a bundle that was signed keyless (OMS 4.1 `sigstore`, 8.2, 8.3): the Fulcio chain, the
 * signed certificate timestamp, the entries in the transparency log, the time, and the signature.
 * The caller must then check who signed: see {@link checkIdentity}.
 *
 * @param name the caller's name for the trust root, which the result contains
 * @param now the current time, for tests and for verifying as of an earlier time
 * @throws {@link ModelSealError} `METHOD_MISMATCH`, `BUNDLE_MALFORMED`, `CERTIFICATE_*`,
 * `CHAIN_NO_PATH`, `SCT_INVALID`, `LOG_*`, `TIME_MISSING`, `TIMESTAMP_INVALID`,
 * `SIGNATURE_INVALID`, and what parsing the statement throws
 * @example
 * ```ts
 * const trust = await loadSigstoreTrust('public-good')
 * const { signer } = await verifySigstoreBundle(await readBundle('vad.sig'), trust, 'public-good')
 * ```
 */
export async function verifySigstoreBundle(
  bundle: UnverifiedBundle,
  trust: SigstoreTrust,
  name: string,
  now: Date = new Date(),
): Promise<VerifiedSignature<SigstoreIdentity>> {
  checkBundle(bundle)
  const own = knownOptions(trust, SIGSTORE_TRUST, 'verifySigstoreBundle')
  const occasion = { now: dateCopy(now, 'now') as Date, effort: new Effort() }
  const { signed, ...proven } = await verifyKeyless(bundle, own, name, occasion)
  return verifiedSignature(keylessEnvelope(bundle, proven, signed), undefined)
}

const SIGSTORE_TRUST: Shape<SigstoreTrust> = {
  info: required(plainCopy),
  root: true,
  text: true,
  material: required(plainCopy),
  signingConfig: true,
}

/** Who signed an envelope, and when: everything that a valid bundle proves, except for its statement. */
export interface ProvenSigner {
  readonly signer: SigstoreIdentity
  readonly time: SignatureTime
  readonly logEntry: LogEntry | undefined
  /** All times that the bundle states. */
  readonly times: readonly Date[]
  readonly timestampPath: readonly Buffer[]
  readonly issuerPath: readonly Buffer[]
}

/** A new copy of the result of a verification, which the caller may change. */
export function keylessEnvelope(
  { digest }: UnverifiedBundle,
  { signer, time, logEntry, timestampPath, issuerPath }: ProvenSigner,
  signed: SignedPayload,
): VerifiedEnvelope<SigstoreIdentity> {
  const own = { ...signer, extensions: { ...signer.extensions }, trustRoot: { ...signer.trustRoot } }
  return asVerified({
    signer: own,
    signed,
    bundleDigest: digest,
    time: { ...time },
    ...(logEntry && { logEntry: { ...logEntry } }),
    timestampPath,
    issuerPath,
  })
}

/** Verifies everything except the statement. */
export async function verifyKeyless(
  bundle: UnverifiedBundle,
  trust: SigstoreTrust,
  name: string,
  { now, effort }: { now: Date; effort: Effort },
): Promise<ProvenSigner & { readonly signed: SignedPayload }> {
  const claims = await readFulcioClaims(certificateOf(bundle, name), bundle.path)
  const { certificate } = claims
  checkSigningUsage(certificate, bundle.path)
  await checkSignatureAlgorithm(certificate.x509, certificate.fields.signatureAlgorithm)
  const key = signingKeyOf(certificate, bundle.path)

  const { parsed, entity } = await toEntity(bundle, effort)
  const entries = parsed.verificationMaterial.tlogEntries
  checkLogs(entries, trust, bundle.path)
  const times = statedTimes(entity.timestamps).map(({ at }) => at)
  checkTimes(times, certificate, now, bundle.path)
  checkEntries(entries, trust, times, bundle.path)

  // Each timestamp needs three checks and some for its authority; each entry two.
  await effort.signatures(5 * times.length + 2 * entries.length)
  const { content, signed } = await inTurns(signedContentSteps(bundle.envelope, key), effort.signal)
  await verifyEntity({ ...entity, signature: content }, materialAt(trust, times, certificate.x509), bundle.path)
  // The library has refused it already.
  if (!signed) throw sigstoreFault({ code: 'SIGNATURE_ERROR', message: 'signature verification failed' }, bundle.path)
  await effort.turn()
  checkLoggedCertificate(entries, certificate.x509, bundle.path)
  const issuers = issuersOf(certificate.x509, trust)
  await checkAuthorities(certificate, {
    issuers,
    timestamps: entity.timestamps,
    times,
    trust,
    effort,
    file: bundle.path,
  })
  return {
    signer: signerOf(claims, trust, name),
    signed,
    times,
    time: earliestTime(entity.timestamps, trust),
    logEntry: logEntryOf(entries, trust),
    timestampPath: timestampPath(entity.timestamps, trust),
    issuerPath: issuerPath(issuers),
  }
}

const IDENTITY: Shape<ExpectedIdentity> = {
  identity: required(text),
  issuer: required(text),
  extensions: textsCopy,
}

/**
 * Checks who signed. Everything is compared byte for byte; there are no patterns.
 *
 * @throws {@link ModelSealError} `IDENTITY_MISMATCH`, `ISSUER_MISMATCH`, `CERTIFICATE_CONDITION`
 */
export function checkIdentity(
  signer: Omit<SigstoreIdentity, 'description'>,
  given: ExpectedIdentity,
  file?: string,
): void {
  const expected = snapshot(given, IDENTITY, 'an identity')
  checkObject(
    signer,
    'the signer',
    'a signer of the method sigstore',
    (one) =>
      ['identity', 'issuer'].every((name) => typeof propertyOf(one, name) === 'string') &&
      typeof propertyOf(one, 'extensions') === 'object' &&
      propertyOf(one, 'extensions') !== null,
  )
  const mismatch = (code: 'IDENTITY_MISMATCH' | 'ISSUER_MISMATCH', what: string, wanted: string, found: string) =>
    new ModelSealError(code, `The signer has a different ${what} than expected.`, {
      file,
      signer: signer.identity,
      expected: shown(wanted),
      found: shown(found),
      hint: 'They are compared exactly. If the signer is the right one, use the spelling that was found.',
    })
  if (signer.identity !== expected.identity)
    throw mismatch('IDENTITY_MISMATCH', 'identity', expected.identity, signer.identity)
  if (signer.issuer !== expected.issuer)
    throw mismatch('ISSUER_MISMATCH', 'identity provider', expected.issuer, signer.issuer)
  for (const [extension, value] of Object.entries(expected.extensions ?? {})) {
    const found = Object.hasOwn(signer.extensions, extension) ? signer.extensions[extension] : undefined
    if (found === value) continue
    throw new ModelSealError(
      'CERTIFICATE_CONDITION',
      `The certificate of the signer does not have the expected ${shown(extension)}.`,
      { file, signer: signer.identity, expected: shown(value), found: found === undefined ? 'none' : shown(found) },
    )
  }
}

/** @throws {@link ModelSealError} `METHOD_MISMATCH` */
export function certificateOf({ material, path }: UnverifiedBundle, name: string): Buffer {
  if (material.method === 'sigstore') return material.certificate
  throw new ModelSealError('METHOD_MISMATCH', 'The bundle was not signed keyless with Sigstore.', {
    file: path,
    signer: name,
    expected: 'the method sigstore',
    found: `the method ${material.method}`,
    hint: methodHint(material.method),
  })
}

/**
 * Parses the bundle with the library; v0.3 requires an inclusion proof with a checkpoint in each entry. The JSON lacks a long payload:
 * {@link signedContentSteps} replaces what the library reads of the envelope.
 */
async function toEntity(
  { json, timestamps, path }: UnverifiedBundle,
  effort: Effort,
): Promise<{ parsed: BundleLatest; entity: SignedEntity }> {
  const [{ bundleFromJSON }, { toSignedEntity }] = await Promise.all([
    import('@sigstore/bundle'),
    import('@sigstore/verify'),
  ])
  let parsed: BundleLatest
  try {
    // The library reads fields that may be absent.
    parsed = bundleFromJSON(parsedWithoutPrototypes(json)) as BundleLatest
  } catch (cause) {
    const fields = isError(cause) && 'fields' in cause ? String(cause.fields) : messageOf(cause)
    throw new ModelSealError('BUNDLE_MALFORMED', 'The bundle is not a Sigstore bundle, or lacks a part of one.', {
      file: path,
      found: `an error in ${shown(fields)}`,
      cause,
    })
  }
  try {
    if (timestamps.some(({ length }) => length > MAX_TIMESTAMP_BYTES)) throw new Error('a timestamp is too large')
    for (const der of timestamps) checkValueCount(der)
    const { verificationMaterial } = parsed
    const { timestampVerificationData } = verificationMaterial
    const entity = toSignedEntity({
      ...parsed,
      verificationMaterial: { ...verificationMaterial, timestampVerificationData: undefined },
    })
    // One at a time: the library would read all of them without yielding.
    for (const rfc3161Timestamp of timestampVerificationData?.rfc3161Timestamps ?? []) {
      await effort.turn()
      const alone = { tlogEntries: [], timestampVerificationData: { rfc3161Timestamps: [rfc3161Timestamp] } }
      entity.timestamps.push(
        ...toSignedEntity({ ...parsed, verificationMaterial: { ...verificationMaterial, ...alone } }).timestamps,
      )
    }
    // Timestamps are parsed lazily. Parse them here, so that errors are reported here.
    statedTimes(entity.timestamps)
    return { parsed, entity }
  } catch (cause) {
    passAbort(cause)
    throw new ModelSealError('TIMESTAMP_INVALID', 'A timestamp in the bundle cannot be read.', { file: path, cause })
  }
}

/** Passes no policy: the library would treat an identity as a regular expression. */
async function verifyEntity(entity: SignedEntity, material: TrustMaterial, path: string | undefined) {
  const { Verifier } = await import('@sigstore/verify')
  try {
    new Verifier(material).verify(entity)
  } catch (cause) {
    throw sigstoreFault(cause, path)
  }
}

function signerOf(
  { certificate, identity, issuer, extensions }: FulcioClaims,
  trust: SigstoreTrust,
  name: string,
): SigstoreIdentity {
  const { fields, x509 } = certificate
  return {
    method: 'sigstore',
    description: identityWords(identity, issuer),
    name,
    identity,
    issuer,
    fingerprint: fingerprintOf(x509),
    serialNumber: serialNumberOf(fields),
    extensions,
    notBefore: fields.notBefore.value.toISOString(),
    notAfter: fields.notAfter.value.toISOString(),
    trustRoot: trust.info,
  }
}
