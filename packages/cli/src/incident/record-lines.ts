import type { JournalRecord, RecordOf, RecordType } from '@modelseal/core/journal'
import type { ExportedRecord } from '@modelseal/journal'
import { counted } from '../output.ts'

type Shown = (text: string) => string

/** Loads whose names are remembered for their ends. */
const MOST_LOADS = 10_000

/** Records of journals as lines for people. Names come from others: all are quoted and escaped. */
export class RecordLines {
  readonly #shown: Shown
  readonly #names = new Map<string, string>()

  constructor(shown: Shown) {
    this.#shown = shown
  }

  of({ id, host, service, pid, load, record }: ExportedRecord): string {
    if (record.type === 'load') this.#remember(id, nameOf(record))
    const name = load === undefined ? undefined : this.#names.get(load)
    if (record.type === 'end' && load !== undefined) this.#names.delete(load)
    const known = name === undefined ? `load ${load}` : this.#shown(name)
    return `${record.time} ${this.#shown(service)} on ${this.#shown(host)}, ${pid}: ${this.#told(record, known)}`
  }

  #told(record: JournalRecord, load: string): string {
    const tell = TOLD[record.type] as (record: JournalRecord, shown: Shown, load: string) => string
    return tell(record, this.#shown, load)
  }

  #remember(id: string, name: string): void {
    this.#names.set(id, name)
    const [oldest] = this.#names.keys()
    if (this.#names.size > MOST_LOADS && oldest !== undefined) this.#names.delete(oldest)
  }
}

const TOLD: { [Type in RecordType]: (record: RecordOf<Type>, shown: Shown, load: string) => string } = {
  segment: ({ node, modelseal, continues }, shown) =>
    continues === undefined
      ? `began to write, Node.js ${shown(node)}, modelseal ${shown(modelseal)}`
      : `goes on in a new segment`,
  model: ({ name = '', rootDigest, files, parts }, shown) =>
    `model ${shown(name)} (${digest(rootDigest)}) has ${parts > 1 ? 'among others ' : ''}${files.length} ${files.length === 1 ? 'file' : 'files'}`,
  load: (record, shown) => {
    const { decision, code, wouldRefuse, rootDigest, signers, model } = record
    const place = model.url ?? model.path
    const by = signers.filter(({ counted }) => counted).map(({ name }) => shown(name))
    return [
      `${decision}${code === undefined ? '' : ` (${code})`} ${shown(nameOf(record))}`,
      // A refused copy of a signed model has its name and root digest.
      ...(decision === 'accepted' || place === undefined || place === nameOf(record) ? [] : [`at ${shown(place)}`]),
      ...(rootDigest === undefined ? [] : [digest(rootDigest)]),
      ...(by.length > 0 ? [`signed by ${by.join(', ')}`] : []),
      ...(wouldRefuse === undefined ? [] : [`it would be refused (${wouldRefuse})`]),
    ].join(', ')
  },
  end: ({ why }, _, load) => `no longer loaded (${why}): ${load}`,
  revoked: ({ code = 'MODEL_REVOKED' }, _, load) => `revoked (${code}): ${load}`,
  policy: ({ path, digest: sha256 = '', code }, shown) =>
    code === undefined
      ? `uses the policy ${shown(path)} (${digest(sha256)})`
      : `new policy ${shown(path)} is not used (${code})`,
  advisory: ({ source, sequence }, shown) =>
    `new version of the feed ${shown(source)}${sequence === undefined ? '' : `, number ${sequence}`}`,
  lost: ({ count, code }, shown) => `${counted(count, 'record')} could not be written (${shown(code)})`,
  alive: () => 'still runs',
  close: () => 'ended',
}

function nameOf({ model: { name, url, path } }: RecordOf<'load'>): string {
  return name ?? url ?? path ?? ''
}

function digest(hex: string): string {
  return `sha256:${hex.slice(0, 16)}…`
}
