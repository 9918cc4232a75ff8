import { parseOwnBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { ambientToken, hasAmbientToken } from '../../signing/sigstore/ambient-token.ts'
import { checkToken, SIGSTORE_CLIENT } from '../../signing/sigstore/identity-token.ts'
import { interactiveToken, type InteractiveOptions } from '../../signing/sigstore/interactive-token.ts'
import { keylessSigner, signingLibrary } from '../../signing/methods/keyless.ts'
import { callback, flag, milliseconds, required, secret, text } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import type { SignedBy, Signer } from '../../signing/signer.ts'
import { chooseServices, publicServices, type SigningServices } from '../../signing/sigstore/services.ts'
import type { SigstoreIdentity } from '../../results.ts'
import { Effort } from '../../verification/effort.ts'
import { verifyKeyless } from '../../verification/methods/sigstore.ts'
import {
  fixedSource,
  loadSigstoreTrust,
  type SigstoreTrust,
  type TrustRootSource,
} from '../../verification/sigstore/trust.ts'

export interface SigstoreSignerOptions {
  /**
   * The instance: a public one, one that was fetched by TUF, or the path of a ClientTrustConfig, which contains the
   * signing services and the trusted root. Default: `public-good`.
   */
  trustRoot?: TrustRootSource | undefined
  /** An OpenID Connect token to sign with. Default: one from the CI system, or else from an interactive login. */
  identityToken?: string | undefined
  /** Whether to ask the CI system for a token. Default: true. */
  useAmbientCredentials?: boolean | undefined
  /** How to let a person log in; absent if no one can. */
  interactive?: Pick<InteractiveOptions, 'show' | 'askCode'> | undefined
  /** Audience of the token. Default: `sigstore`. */
  clientId?: string | undefined
  /** The client secret, if the identity provider requires one. */
  clientSecret?: string | undefined
  /** Timeout for each call to a service, in milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined
}

const OPTIONS: Shape<SigstoreSignerOptions> = {
  trustRoot: fixedSource,
  identityToken: secret,
  useAmbientCredentials: flag,
  interactive: (value) =>
    snapshot(
      value as NonNullable<SigstoreSignerOptions['interactive']>,
      { show: required(callback), askCode: callback },
      'the option "interactive"',
    ),
  clientId: text,
  clientSecret: secret,
  timeoutMs: milliseconds,
}

/**
 * Creates a keyless signer with Sigstore (OMS 4.1 `sigstore`): a token proves the identity, and the signature is
 * recorded in a public log. The bundle is verified before it is written.
 *
 * @throws {@link ModelSealError} `SIGNING_CONFIG_INVALID`, `TRUST_ROOT_INVALID`, and what reading the file throws. On
 * signing: `SIGSTORE_UNAVAILABLE` (before the model is hashed) if the optional package `@sigstore/sign` is not
 * installed, `TOKEN_*` (also before hashing if possible), `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `TSA_*`, and those
 * of `verifySigstoreBundle()`
 * @example
 * ```ts
 * await signModel('models/vad', { signer: await sigstoreSigner({ identityToken }) })
 * ```
 */
export async function sigstoreSigner(given?: SigstoreSignerOptions): Promise<Signer> {
  const options = snapshot(given, OPTIONS, 'sigstoreSigner')
  const source = options.trustRoot ?? 'public-good'
  const trust = await loadSigstoreTrust(source)
  const services = servicesOf(trust, source)
  const clientId = options.clientId ?? SIGSTORE_CLIENT
  return {
    ...keylessSigner({
      services,
      clientId,
      timeoutMs: options.timeoutMs,
      identityToken: (signal) => findToken(options, services, clientId, signal),
    }),
    async prepare() {
      signingLibrary()
      await checkWhoSigns(options, services, clientId)
    },
    async check(bundle) {
      const parsed = await parseOwnBundle(Buffer.from(bundle))
      // Not the statement, which may be an attestation.
      const occasion = { now: new Date(), effort: new Effort() }
      const { signer, time } = await verifyKeyless(parsed, trust, trust.info.name, occasion)
      return { signer: signedBy(signer), time }
    },
  }
}

function signedBy({ method, description, fingerprint, identity, issuer }: SigstoreIdentity): SignedBy {
  return { method, description, fingerprint, identity, issuer }
}

function servicesOf({ signingConfig, info }: SigstoreTrust, source: TrustRootSource): SigningServices {
  if (signingConfig) return chooseServices(signingConfig, info.name)
  if (typeof source === 'string') return publicServices(source)
  throw new ModelSealError(
    'SIGNING_CONFIG_INVALID',
    'Cannot sign with this Sigstore instance: it has a trusted root, but no signing configuration.',
    {
      file: info.name,
      expected: 'a ClientTrustConfig, or a signing configuration beside the root in the TUF repository',
      found: 'a bare trusted root',
    },
  )
}

/** Checks the token if there is one already, and fails if there is no way to get one. */
async function checkWhoSigns(
  { identityToken, useAmbientCredentials, interactive }: SigstoreSignerOptions,
  { issuer }: SigningServices,
  clientId: string,
): Promise<void> {
  if (identityToken !== undefined) checkToken(identityToken, clientId)
  else if (
    (useAmbientCredentials === false || !(await hasAmbientToken(clientId))) &&
    !(interactive && issuer !== undefined)
  )
    throw tokenMissing()
}

/** In the order of the reference tool: the given token, the CI system's, an interactive login. */
async function findToken(
  options: SigstoreSignerOptions,
  { issuer }: SigningServices,
  clientId: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (options.identityToken !== undefined) return options.identityToken
  const ambient = options.useAmbientCredentials === false ? undefined : await ambientToken(clientId, signal)
  if (ambient !== undefined) return ambient
  if (options.interactive && issuer !== undefined)
    return interactiveToken({ ...options.interactive, issuer, clientId, clientSecret: options.clientSecret, signal })
  throw tokenMissing()
}

function tokenMissing(): ModelSealError {
  return new ModelSealError('TOKEN_MISSING', 'Cannot sign: there is no identity token.', {
    expected: 'an OpenID Connect token with the audience "sigstore"',
    found: 'no token, and no CI system that issues one',
    hint: 'Sign in GitHub Actions, GitLab CI, Google Cloud or Buildkite; pass --identity-token; or sign in a terminal, where you can log in with a browser.',
  })
}
