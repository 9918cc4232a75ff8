import type { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs'
import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'
import type { ReadFile, SmallFile } from '../../source/read-small-file.ts'
import { Fields } from '../../bundle/fields.ts'
import { parseStrictJson } from '../../bundle/json.ts'

/** The authorities and logs of a Sigstore instance, and perhaps the addresses of its services. */
export interface TrustConfig {
  trustedRoot: TrustedRoot
  /** Present in a ClientTrustConfig only. */
  signingConfig: SigningConfig | undefined
  /** The trusted root as a separate file: as read, or serialized again if it was part of a ClientTrustConfig. */
  text: Buffer
}

/** The public-good instance's root is 7 KB. */
const MAX_TRUST_CONFIG_BYTES = 4 * 1024 * 1024
const MAX_VALUES = 100_000

const CLIENT_TRUST_CONFIG = /^application\/vnd\.dev\.sigstore\.clienttrustconfig\.v0\.1\+json$/
const SIGNING_CONFIG = 'application/vnd.dev.sigstore.signingconfig.v0.2+json'
const TRUSTED_ROOT = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.1|\.v0\.[12]\+json)$/

/**
 * Reads a trust configuration from a file: a ClientTrustConfig, or a bare trusted root (Sigstore
 * protobuf specifications, `sigstore_trustroot.proto`).
 *
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `JSON_*`,
 * and what `read` throws
 */
export async function readTrustConfig(path: string, read: ReadFile): Promise<TrustConfig> {
  return parseTrustConfig(await read(path, TRUST_CONFIG_FILE), path)
}

/** The file that {@link readTrustConfig} reads. */
export const TRUST_CONFIG_FILE: SmallFile = {
  what: 'Sigstore trust configuration',
  maxBytes: MAX_TRUST_CONFIG_BYTES,
  hint: 'Give the path of a ClientTrustConfig or of a trusted_root.json.',
}

/** @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `JSON_*` */
export async function parseTrustConfig(bytes: Uint8Array, path?: string): Promise<TrustConfig> {
  const bounds = { what: 'Sigstore trust configuration', file: path, maxValues: MAX_VALUES }
  const json = parsedWithoutPrototypes(parseStrictJson(bytes, bounds))
  const fields = new Fields(json, { code: 'TRUST_ROOT_INVALID', file: path })
  const mediaType = fields.string('mediaType')
  const combined = CLIENT_TRUST_CONFIG.test(mediaType)
  if (!combined && !TRUSTED_ROOT.test(mediaType)) {
    throw new ModelSealError('TRUST_ROOT_INVALID', 'The file is not a known kind of Sigstore trust configuration.', {
      file: path,
      expected: 'the media type of a trusted root or of a ClientTrustConfig',
      found: shown(mediaType),
    })
  }
  const specs = await import('@sigstore/protobuf-specs')
  try {
    const { trustedRoot, signingConfig } = combined
      ? specs.ClientTrustConfig.fromJSON(json)
      : { trustedRoot: specs.TrustedRoot.fromJSON(json), signingConfig: undefined }
    if (!trustedRoot?.certificateAuthorities.length || !trustedRoot.tlogs.length)
      throw new Error('it names no certificate authority, or no transparency log')
    const text = combined ? `${JSON.stringify(specs.TrustedRoot.toJSON(trustedRoot), null, 2)}\n` : bytes
    return { trustedRoot, text: Buffer.from(text), signingConfig }
  } catch (cause) {
    throw trustRootInvalid(cause, path)
  }
}

/**
 * Reads the services that an instance signs with (`sigstore_trustroot.proto`, SigningConfig v0.2).
 *
 * @throws {@link ModelSealError} `SIGNING_CONFIG_INVALID`, `JSON_*`
 */
export async function parseSigningConfig(bytes: Uint8Array, path?: string): Promise<SigningConfig> {
  const bounds = { what: 'Sigstore signing configuration', file: path, maxValues: MAX_VALUES }
  const json = parsedWithoutPrototypes(parseStrictJson(bytes, bounds))
  const mediaType = new Fields(json, { code: 'SIGNING_CONFIG_INVALID', file: path }).string('mediaType')
  const { SigningConfig: codec } = await import('@sigstore/protobuf-specs')
  try {
    if (mediaType !== SIGNING_CONFIG) throw new Error(`the media type ${mediaType}`)
    return codec.fromJSON(json)
  } catch (cause) {
    throw new ModelSealError('SIGNING_CONFIG_INVALID', 'The Sigstore signing configuration cannot be used.', {
      file: path,
      found: shown(messageOf(cause)),
      hint: 'Ask the operator of this Sigstore instance for a signing configuration of version 0.2.',
      cause,
    })
  }
}

/** Converts an error that a Sigstore library throws for an invalid root. */
export function trustRootInvalid(cause: unknown, path: string | undefined): ModelSealError {
  return new ModelSealError('TRUST_ROOT_INVALID', 'The Sigstore trusted root cannot be used.', {
    file: path,
    found: shown(messageOf(cause)),
    hint: 'Get it again from the operator of this Sigstore instance.',
    cause,
  })
}
