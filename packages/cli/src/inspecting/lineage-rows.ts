import type { LineageNode } from '@modelseal/core/attestation'
import type { TreeRow } from '../pages/tree-drawing.ts'
import type { Show } from './report.ts'

/** The nodes of a lineage, each below what was made from it. */
export function lineageRows(root: LineageNode, show: Show): TreeRow[] {
  const rows: TreeRow[] = []
  const add = (node: LineageNode, depth: number, parent: number | undefined) => {
    const index = rows.push(rowOf(node, { depth, parent }, show)) - 1
    for (const ancestor of node.ancestors) add(ancestor, depth + 1, index)
  }
  add(root, 0, undefined)
  return rows
}

const ROLES = { 'base-model': 'base model', dataset: 'dataset' } as const
const CUTS = {
  circle: 'a cycle: according to the statements, this was made from itself',
  repeated: 'its ancestors are shown above',
  deep: 'it may have more ancestors',
} as const

function rowOf(node: LineageNode, place: Pick<TreeRow, 'depth' | 'parent'>, show: Show): TreeRow {
  const { role, name, uri, sha256, belief, statedBy, cut, more } = node
  const label = name ?? uri
  const by = statedBy.length === 1 ? '' : ` by ${statedBy.length} statements`
  const stated = role === undefined ? 'this model' : `${ROLES[role]}, ${BELIEFS[belief]}${by}`
  const shown = label === undefined ? '' : `${show(label)} `
  const notes = [cut && CUTS[cut], more !== undefined && `${more} more`].filter((one) => typeof one === 'string')
  return {
    ...place,
    name: label === undefined ? (role === undefined ? 'This model' : 'unnamed') : show(label),
    role: stated,
    digest: `sha256:${sha256}`,
    believed: belief === 'believed',
    words: `${shown}sha256:${sha256} (${stated})`,
    note: notes.join('; '),
  }
}

const BELIEFS = { believed: 'believed', verified: 'signed, but not believed', claimed: 'merely claimed' } as const
