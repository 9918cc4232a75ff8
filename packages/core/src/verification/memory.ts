import { createHash } from 'node:crypto'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { withoutPrototype } from '../snapshot.ts'

/** A longer payload is verified every time: hashing it takes longer than checking a signature. */
export const LONGEST_PAYLOAD = 256 * 1024

/**
 * What this process has found valid by each object of trust material, by the digest of what was verified; the least recently
 * used first. The trust material is known by the identity of its object, not by its content; a policy that is read again has
 * other objects. Only what depends on neither time nor revocations may be remembered, and nothing that was refused.
 */
export class Memory<Fact> {
  readonly #most: number
  readonly #facts = new WeakMap<object, Map<string, Fact>>()

  /** @param most number of facts that are remembered for each object */
  constructor(most: number) {
    this.#most = most
  }

  recall(trust: object, digest: string): Fact | undefined {
    const facts = this.#facts.get(trust)
    const fact = facts?.get(digest)
    if (facts && fact !== undefined) moveToEnd(facts, digest, fact)
    return fact
  }

  keep(trust: object, digest: string, fact: Fact): void {
    const facts = this.#facts.get(trust) ?? new Map<string, Fact>()
    moveToEnd(facts, digest, fact)
    for (const [oldest] of facts) {
      if (facts.size <= this.#most) break
      facts.delete(oldest)
    }
    this.#facts.set(trust, facts)
  }
}

function moveToEnd<Fact>(facts: Map<string, Fact>, digest: string, fact: Fact): void {
  facts.delete(digest)
  facts.set(digest, fact)
}

/** Covers the number of parts, and the length and content of each. */
export function digestOf(parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256').update(`${parts.length} `)
  for (const part of parts) {
    // Not UTF-8, in which all lone surrogates are the same.
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf16le') : part
    hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest('base64')
}

/**
 * A copy of the bytes in a bundle that its verification depends on. If other code changes the bundle meanwhile, that must
 * not outlast this load: only copies are verified and remembered.
 *
 * @param withPayload false if `known-signatures.ts` copies it
 */
export function ownBundle(bundle: UnverifiedBundle, { withPayload }: { withPayload: boolean }): UnverifiedBundle {
  const { material, envelope, timestamps } = bundle
  const { payloadType, payload, signature } = envelope
  return withoutPrototype({
    ...bundle,
    material: ownMaterial(material),
    envelope: { payloadType, payload: withPayload ? copyOf(payload) : payload, signature: copyOf(signature) },
    timestamps: timestamps.map(copyOf),
  })
}

function ownMaterial(material: UnverifiedBundle['material']): UnverifiedBundle['material'] {
  switch (material.method) {
    case 'certificate':
      return { method: 'certificate', certificates: material.certificates.map(copyOf) }
    case 'sigstore':
      return { method: 'sigstore', certificate: copyOf(material.certificate) }
    default:
      return material
  }
}

/** A copy in memory of its own, not in the pool that small Buffers share. */
export function copyOf(bytes: Uint8Array): Buffer {
  return Buffer.from(Uint8Array.from(bytes).buffer)
}
