import { lineage, type Ancestor, type LineageRole, type Provenance } from '../../attestation/kinds/provenance.ts'
import type { Belief, WeighedAttestation } from './weighed-attestation.ts'

/** A model or a dataset in the lineage of a model. */
export interface LineageNode {
  /** In lowercase hex; the root digest, if it is signed. */
  sha256: string
  /** How its descendant used it; absent for the model itself. */
  role?: LineageRole
  /** Both are only hints. */
  name?: string
  uri?: string
  /** The attestations that name it. */
  statedBy: readonly { path: string; belief: Belief }[]
  /** The best belief of those; `claimed` for the model itself, which needs no provenance. */
  belief: Belief
  /**
   * Why it has no ancestors here: `circle` if it is its own ancestor, `repeated` if they are shown where it occurs first, `deep` if the
   * lineage is too deep to be shown.
   */
  cut?: 'circle' | 'repeated' | 'deep'
  /** The number of ancestors that are left out. */
  more?: number
  ancestors: readonly LineageNode[]
}

/** Nobody would read a larger lineage. */
const MAX_DEPTH = 10
const MAX_NODES = 200
/** Statements about the ancestors of one model. What is believed comes first. */
const MAX_STATED = 1_000
const MAX_STATED_BY = 20

type Stated = Ancestor & { path: string; belief: Belief }

/**
 * What a model was made from, according to its provenance statements: a tree of bounded size. The ancestors of an ancestor are known if
 * its own provenance is kept with the model too.
 *
 * @param attestations with `isAbout` for the model of the root digest
 * @returns undefined if nothing is known
 */
export function lineageTree(rootDigest: string, attestations: readonly WeighedAttestation[]): LineageNode | undefined {
  const stated = new Map<string, Stated[]>()
  for (const { kind, content, error, subjects = [], isAbout, path, belief } of attestations) {
    if (kind !== 'provenance' || content === undefined || error) continue
    const ancestors = lineage(content as Provenance).map((one) => ({ ...one, path, belief }))
    for (const subject of new Set(subjects.map(({ sha256 }) => sha256))) {
      // The same contents under other names are another model.
      if (subject === rootDigest && isAbout === false) continue
      const known = stated.get(subject) ?? []
      stated.set(subject, known)
      known.push(...ancestors.slice(0, MAX_STATED - known.length))
    }
  }
  const budget = { nodes: MAX_NODES, expanded: new Set<string>() }
  const tree = grow({ sha256: rootDigest, statedBy: [], belief: 'claimed' }, [], { stated, budget })
  return tree.ancestors.length > 0 ? tree : undefined
}

interface Growing {
  stated: ReadonlyMap<string, readonly Stated[]>
  budget: { nodes: number; expanded: Set<string> }
}

function grow(node: Omit<LineageNode, 'ancestors'>, descendants: readonly string[], growing: Growing): LineageNode {
  const { stated, budget } = growing
  const known = stated.get(node.sha256) ?? []
  if (descendants.includes(node.sha256)) return { ...node, cut: 'circle', ancestors: [] }
  if (known.length === 0) return { ...node, ancestors: [] }
  if (budget.expanded.has(node.sha256)) return { ...node, cut: 'repeated', ancestors: [] }
  if (descendants.length === MAX_DEPTH) return { ...node, cut: 'deep', ancestors: [] }
  budget.expanded.add(node.sha256)
  const all = merged(known)
  const taken = all.slice(0, Math.max(0, budget.nodes))
  budget.nodes -= taken.length
  const ancestors = taken.map((one) => grow(one, [...descendants, node.sha256], growing))
  return { ...node, ...(all.length > taken.length && { more: all.length - taken.length }), ancestors }
}

/** Several attestations may name the same ancestor. What is believed comes first, and so do its names. */
function merged(stated: readonly Stated[]): Omit<LineageNode, 'ancestors'>[] {
  const nodes = new Map<string, Omit<LineageNode, 'ancestors'> & { statedBy: { path: string; belief: Belief }[] }>()
  for (const { path, belief, ...ancestor } of stated) {
    const key = `${ancestor.role} ${ancestor.sha256}`
    const known = nodes.get(key)
    if (!known) nodes.set(key, { ...ancestor, belief, statedBy: [{ path, belief }] })
    else if (known.statedBy.length < MAX_STATED_BY && !known.statedBy.some((other) => other.path === path))
      known.statedBy.push({ path, belief })
  }
  return [...nodes.values()]
}
