import type { AffectedModel, DerivedModel, Incident } from '@modelseal/journal'
import { counted } from '../output.ts'
import type { TreeRow } from '../pages/tree-drawing.ts'
import { visible } from '../pages/visible.ts'
import { KIND_WORDS } from './incident-tables.ts'

/** A larger drawing says less than the tables. */
const MOST_MODELS = 8
const MOST_SERVICES = 3
const MOST_DERIVED = 12

/** From what was sought to the models, and from these to the services that loaded them and to what was made from them. */
export function reachRows({ query, models, derived, total }: Incident): TreeRow[] {
  const rows: TreeRow[] = []
  const add = (row: Omit<TreeRow, 'words'>) => rows.push({ ...row, words: words(row), name: short(row.name) }) - 1
  const note = models.items.length > MOST_MODELS ? `further models: ${total.models - MOST_MODELS}` : ''
  const role = `${KIND_WORDS[query.kind]}, ${counted(total.loads, 'load')}`
  const top = add({ depth: 0, parent: undefined, name: visible(query.value), role, digest: '', believed: true, note })
  const byRoot = new Map<string, number>()
  for (const model of models.items.slice(0, MOST_MODELS)) {
    const parent = add(modelRow(model, top))
    if (model.rootDigest !== undefined) byRoot.set(model.rootDigest, parent)
    for (const { service, host } of model.loadedBy.slice(0, MOST_SERVICES))
      add({
        depth: 2,
        parent,
        name: visible(service),
        role: `on ${visible(host)}`,
        digest: '',
        believed: model.loads > 0,
        note: '',
      })
    addDerived(model.rootDigest, parent)
  }
  return rows

  function addDerived(root: string | undefined, parent: number): void {
    const made = derived.items.filter(({ from }) => from[0] === root)
    for (const one of made.slice(0, MOST_DERIVED)) add(derivedRow(one, parent))
  }
}

function modelRow(
  { names, rootDigest, loads, refusals, services }: AffectedModel,
  parent: number,
): Omit<TreeRow, 'words'> {
  return {
    depth: 1,
    parent,
    name: visible(names[0] ?? 'unnamed'),
    role: loads > 0 ? `model, ${counted(loads, 'load')}` : `model, refused ${counted(refusals, 'time')}`,
    digest: rootDigest === undefined ? '' : `sha256:${rootDigest}`,
    believed: loads > 0,
    note:
      services > MOST_SERVICES
        ? `further services: ${services - MOST_SERVICES}`
        : rootDigest === undefined
          ? 'of unknown content'
          : '',
  }
}

function derivedRow({ names, rootDigest, proof, loads }: DerivedModel, parent: number): Omit<TreeRow, 'words'> {
  const how = proof === 'recorded' ? 'made from it' : 'claimed to be made from it'
  return {
    depth: 2,
    parent,
    name: visible(names[0] ?? 'a model that nobody loaded'),
    role: `${how}, ${counted(loads, 'load')}`,
    digest: `sha256:${rootDigest}`,
    believed: proof === 'recorded',
    note: '',
  }
}

/** A digest as a name is wider than its box. */
function short(name: string): string {
  return /^[0-9a-f]{64,}$/.test(name) ? `${name.slice(0, 16)}…` : name
}

function words({ name, role, digest }: Omit<TreeRow, 'words'>): string {
  return `${name} (${role})${digest === '' ? '' : ` ${digest}`}`
}
