import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { parsePublicKey, PUBLIC_KEY_FILE, type PublicKey } from '../../x509/public-key.ts'
import { CERTIFICATE_FILE, holderKey, parseCertificates, readX509 } from '../../x509/certificate.ts'
import { parseRevocationLists, REVOCATION_LIST_FILE } from '../../x509/revocation-list.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { certificateFacts, type CertificateFacts } from '../revocations/certificate-facts.ts'
import {
  readSigstoreTrust,
  trustRootPath,
  type SigstoreTrust,
  type TrustRootSource,
} from '../../verification/sigstore/trust.ts'
import type { AcceptedKey } from '../accepted-signer.ts'
import { fileState } from './file-state.ts'
import type { PolicySource } from './include.ts'
import { readPolicyFile } from './policy-file.ts'
import type { ValuePath } from './policy-text.ts'
import type { Reading } from './reading.ts'
import type { Revocations } from '../revocations/revocations.ts'
import type { KeyFile, TrustRoot } from '../schema/trust.ts'

/** Certificates of authorities: DER. */
interface Authorities {
  roots: readonly Buffer[]
  intermediates: readonly Buffer[]
}

interface CertificateRoot {
  kind: 'certificates'
  name: string
  trusted: Authorities
  /** Of those that the policy names, the ones that it revokes. */
  revoked: Authorities
  crls: readonly Buffer[]
}

/** A trust root with its files read. */
export type CompiledRoot =
  | { kind: 'publicKey'; name: string; keys: readonly AcceptedKey[] }
  | CertificateRoot
  | { kind: 'timestampAuthorities'; name: string; certificates: readonly Buffer[] }
  | { kind: 'sigstore'; name: string; /** Absent where it could not be read. */ trust?: SigstoreTrust | undefined }

/**
 * Reads the files of all trust roots. What is wrong with one is a problem at the place that names
 * it, under the code of the file's own error.
 */
export async function readTrustRoots(
  sources: readonly PolicySource[],
  revocations: Revocations,
  reading: Reading,
): Promise<Map<string, CompiledRoot>> {
  const roots = new Map<string, CompiledRoot>()
  for (const source of sources) {
    for (const [name, root] of Object.entries(source.file.trustRoots ?? {})) {
      const at = ['trustRoots', name]
      if (roots.has(name))
        reading.problems.push(source.text.fault(at, `The trust root ${shown(name)} is defined twice.`))
      roots.set(name, await new RootReader(source, at, revocations, reading).read(name, root))
    }
  }
  return roots
}

class RootReader {
  readonly #source: PolicySource
  readonly #at: ValuePath
  readonly #revocations: Revocations
  readonly #reading: Reading

  constructor(source: PolicySource, at: ValuePath, revocations: Revocations, reading: Reading) {
    this.#source = source
    this.#at = at
    this.#revocations = revocations
    this.#reading = reading
  }

  async read(name: string, root: TrustRoot): Promise<CompiledRoot> {
    if ('publicKey' in root) return { kind: 'publicKey', name, keys: await this.#keys([root.publicKey].flat()) }
    if ('certificates' in root) return this.#certificateRoot(name, root.certificates)
    if ('timestampAuthorities' in root) {
      const { trusted } = await this.#authorities(['timestampAuthorities'], root.timestampAuthorities)
      return { kind: 'timestampAuthorities', name, certificates: trusted }
    }
    return { kind: 'sigstore', name, trust: await this.#sigstore(root.sigstore) }
  }

  async #sigstore(written: Extract<TrustRoot, { sigstore: unknown }>['sigstore']): Promise<SigstoreTrust | undefined> {
    const source = this.#sourceOf(written)
    if (typeof source !== 'string' && 'tufRoot' in source)
      this.#reading.files.set(source.tufRoot, await fileState(source.tufRoot))
    // A root that is fetched anew is a change of the policy, as any of its files is.
    const at = typeof written === 'string' ? [] : ['file' in written ? 'file' : 'tufRoot']
    return this.#attempt(['sigstore', ...at], trustRootPath(source), () => readSigstoreTrust(source, readPolicyFile))
  }

  #sourceOf(written: Extract<TrustRoot, { sigstore: unknown }>['sigstore']): TrustRootSource {
    if (typeof written === 'string') return written
    const { directory } = this.#source
    if ('file' in written) return { file: resolve(directory, written.file) }
    return { tufUrl: written.tufUrl, tufRoot: resolve(directory, written.tufRoot) }
  }

  async #keys(files: readonly (string | KeyFile)[]): Promise<AcceptedKey[]> {
    const keys: AcceptedKey[] = []
    for (const [index, entry] of files.entries()) {
      const { file, notBefore, notAfter } =
        typeof entry === 'string' ? { file: entry, notBefore: undefined, notAfter: undefined } : entry
      const path = resolve(this.#source.directory, file)
      const read = await this.#attempt(['publicKey', index], path, () => readKey(path))
      if (!read) continue
      const { publicKey, digest } = read
      this.#revocations.know(publicKey.key, digest)
      keys.push({
        publicKey,
        path,
        notBefore: notBefore === undefined ? -Infinity : Date.parse(notBefore),
        notAfter: notAfter === undefined ? Infinity : Date.parse(notAfter),
      })
    }
    return keys
  }

  async #certificateRoot(
    name: string,
    {
      roots: rootFiles,
      intermediates: intermediateFiles = [],
      crls = [],
    }: Extract<TrustRoot, { certificates: unknown }>['certificates'],
  ): Promise<CertificateRoot> {
    const roots = await this.#authorities(['certificates', 'roots'], rootFiles)
    const intermediates = await this.#authorities(['certificates', 'intermediates'], intermediateFiles)
    return {
      kind: 'certificates',
      name,
      trusted: { roots: roots.trusted, intermediates: intermediates.trusted },
      revoked: { roots: roots.revoked, intermediates: intermediates.revoked },
      crls: await this.#files(['certificates', 'crls'], crls, readLists),
    }
  }

  async #files<T>(
    at: ValuePath,
    files: string | readonly string[],
    read: (path: string) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const found: T[] = []
    for (const [index, file] of [files].flat().entries()) {
      const path = resolve(this.#source.directory, file)
      found.push(...((await this.#attempt([...at, index], path, () => read(path))) ?? []))
    }
    return found
  }

  /** An authority vouches for others at times that nobody states: revoked for a time is revoked. */
  async #authorities(
    at: ValuePath,
    files: string | readonly string[],
  ): Promise<{ trusted: Buffer[]; revoked: Buffer[] }> {
    const divided = { trusted: [] as Buffer[], revoked: [] as Buffer[] }
    for (const { der, facts } of await this.#files(at, files, readAuthorities)) {
      const revoked =
        this.#revocations.certificate(facts, undefined) ?? this.#revocations.key(facts.keyFingerprints, undefined)
      divided[revoked ? 'revoked' : 'trusted'].push(der)
    }
    return divided
  }

  async #attempt<T>(at: ValuePath, path: string | undefined, work: () => Promise<T>): Promise<T | undefined> {
    if (path !== undefined) this.#reading.files.set(path, await fileState(path))
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#reading.problems.push(this.#source.text.faultFrom([...this.#at, ...at], error))
      return undefined
    }
  }
}

/**
 * @returns the key, and the SHA-256 of its file
 * @throws {@link ModelSealError} `KEY_INVALID`, and as {@link readPolicyFile}
 */
async function readKey(path: string): Promise<{ publicKey: PublicKey; digest: string }> {
  const pem = await readPolicyFile(path, PUBLIC_KEY_FILE)
  const digest = createHash('sha256').update(pem).digest('hex')
  return { publicKey: parsePublicKey(pem.toString('latin1'), path), digest }
}

/** @throws {@link ModelSealError} `CRL_INVALID`, and as {@link readPolicyFile} */
async function readLists(path: string): Promise<Buffer[]> {
  return parseRevocationLists(await readPolicyFile(path, REVOCATION_LIST_FILE), path)
}

/** @throws {@link ModelSealError} `CERTIFICATE_INVALID`, also for a key that could never verify anything */
async function readAuthorities(path: string): Promise<{ der: Buffer; facts: CertificateFacts }[]> {
  const certificates = parseCertificates(await readPolicyFile(path, CERTIFICATE_FILE), path)
  return Promise.all(
    certificates.map(async (der) => {
      const facts = await certificateFacts(der, path)
      if (holderKey(readX509(der, path))) return { der, facts }
      throw new ModelSealError(
        'CERTIFICATE_INVALID',
        `A certificate of the file ${shown(path)} has a key that cannot be read.`,
        {
          file: path,
          expected: 'a key of a known algorithm',
          found: `the certificate ${facts.fingerprints[0]}`,
        },
      )
    }),
  )
}
