import { createHash } from 'node:crypto'
import type { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs'
import { ModelSealError, shown } from '../errors.ts'
import { readSmallFile } from '../source/read-small-file.ts'
import { Fields } from './fields.ts'
import { parseStrictJson } from './json.ts'

/** Whom a Sigstore instance is made of: its authorities and logs, and perhaps where its services are. */
export interface TrustConfig {
  trustedRoot: TrustedRoot
  /** Present in a ClientTrustConfig only. */
  signingConfig?: SigningConfig
  /** SHA-256 of the text, lowercase hex. */
  digest: string
}

/** The public-good instance's root is 7 KB. */
const MAX_TRUST_CONFIG_BYTES = 4 * 1024 * 1024
const MAX_VALUES = 100_000

const CLIENT_TRUST_CONFIG = /^application\/vnd\.dev\.sigstore\.clienttrustconfig\.v0\.1\+json$/
const TRUSTED_ROOT = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.1|\.v0\.[12]\+json)$/

/**
 * Reads whom to trust from a file: a ClientTrustConfig, or a bare trusted root (Sigstore protobuf
 * specifications, `sigstore_trustroot.proto`).
 *
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `JSON_*`
 */
export async function readTrustConfig(path: string): Promise<TrustConfig> {
  const bytes = await readSmallFile(path, {
    what: 'Sigstore trust configuration',
    maxBytes: MAX_TRUST_CONFIG_BYTES,
    hint: 'Give the path of a ClientTrustConfig or of a trusted_root.json.',
  })
  return parseTrustConfig(bytes, path)
}

/** @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `JSON_*` */
export async function parseTrustConfig(bytes: Uint8Array, path?: string): Promise<TrustConfig> {
  const json = parseStrictJson(bytes, { what: 'Sigstore trust configuration', file: path, maxValues: MAX_VALUES })
  const fields = new Fields(json, '', 'TRUST_ROOT_INVALID', path)
  const mediaType = fields.string('mediaType')
  const combined = CLIENT_TRUST_CONFIG.test(mediaType)
  if (!combined && !TRUSTED_ROOT.test(mediaType)) {
    throw new ModelSealError('TRUST_ROOT_INVALID', 'The file is not a Sigstore trust configuration of a known kind.', {
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
    const digest = createHash('sha256').update(bytes).digest('hex')
    return signingConfig ? { trustedRoot, signingConfig, digest } : { trustedRoot, digest }
  } catch (cause) {
    throw trustRootInvalid(cause, path)
  }
}

/** The typed form of what a Sigstore library makes of a broken root. */
export function trustRootInvalid(cause: unknown, path: string | undefined): ModelSealError {
  return new ModelSealError('TRUST_ROOT_INVALID', 'The Sigstore trusted root cannot be used.', {
    file: path,
    found: shown(cause instanceof Error ? cause.message : String(cause)),
    hint: 'Fetch it again from whoever runs this Sigstore instance.',
    cause,
  })
}
