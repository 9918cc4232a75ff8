import type { IdentifiedSignature } from '../methods/method.ts'

/** An accepted signature with what tells its signer from others. */
export interface SignedBy extends IdentifiedSignature {
  /** Every name that the signer goes by; who shares one is the same signer. */
  names: readonly string[]
}

/**
 * How many entries of the list of signers are met, each by a signer of its own: the size of the
 * largest matching between signers and entries. So two bundles of one key or identity count once,
 * one entry counts once, and taking an entry or a signature away never makes it more.
 */
export function countDistinctSigners(signatures: readonly SignedBy[]): number {
  const signers = mergeByName(signatures)
  const takenBy = new Map<number, number>()
  let count = 0
  for (const index of signers.keys()) if (findEntry(index, signers, takenBy, new Set())) count++
  return count
}

/** The entries that each signer may stand for; signatures with a name in common are one signer's. */
function mergeByName(signatures: readonly SignedBy[]): Set<number>[] {
  let merged: { names: Set<string>; entries: Set<number> }[] = []
  for (const { names, signers } of signatures) {
    const same = merged.filter((other) => names.some((name) => other.names.has(name)))
    merged = merged.filter((other) => !same.includes(other))
    merged.push({
      names: new Set([...names, ...same.flatMap((other) => [...other.names])]),
      entries: new Set([...signers, ...same.flatMap((other) => [...other.entries])]),
    })
  }
  return merged.map(({ entries }) => entries)
}

/** One augmenting path of bipartite matching; the lists are short. */
function findEntry(
  signer: number,
  signers: readonly ReadonlySet<number>[],
  takenBy: Map<number, number>,
  tried: Set<number>,
): boolean {
  for (const entry of signers[signer] ?? []) {
    if (tried.has(entry)) continue
    tried.add(entry)
    const holder = takenBy.get(entry)
    if (holder === undefined || findEntry(holder, signers, takenBy, tried)) {
      takenBy.set(entry, signer)
      return true
    }
  }
  return false
}
