import type { CountingSigner } from '../methods/method.ts'

/** The signer of an accepted signature, with its names. */
export interface NamedSigner extends CountingSigner {
  /** All names of the signer. Signers that share one are the same. */
  names: readonly string[]
}

/**
 * Counts the entries of the list of signers that are met, each by a different signer: the size of the
 * largest matching between signers and entries. Two bundles of one key or identity count once,
 * an entry counts once, and removing an entry or a signature never increases the count.
 */
export function countDistinctSigners(signatures: readonly NamedSigner[]): number {
  const signers = mergeByName(signatures)
  const takenBy = new Map<number, number>()
  let count = 0
  for (const index of signers.keys()) if (findEntry(index, signers, takenBy, new Set())) count++
  return count
}

/** The entries that each signer can count for. Signatures that share a name have the same signer. */
function mergeByName(signatures: readonly NamedSigner[]): Set<number>[] {
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
