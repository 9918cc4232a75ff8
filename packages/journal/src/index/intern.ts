import type { RecordOf } from '@modelseal/core/journal'
import { Memo } from './memo.ts'
import type { Cell } from './sqlite.ts'
import type { Statements } from './statements.ts'

/** Names of one model. */
const MOST_NAMES = 20

type Load = RecordOf<'load'>

/** Gives what occurs in many records a number. */
export class Interned {
  readonly #statements: Statements
  readonly #known = new Memo()

  constructor(statements: Statements) {
    this.#statements = statements
  }

  place(service: string, host: string): number {
    return this.#known.get(['place', service, host], () => this.#insert('place', { service, host }))
  }

  /** A model without a root digest is known by where it was. */
  model({ rootDigest: root = '', model }: Pick<Load, 'rootDigest' | 'model'>): number {
    const name = model.name ?? model.path ?? model.url ?? ''
    const label = root === '' ? (model.path ?? model.url ?? name) : ''
    const id = this.#known.get(['model', root, label], () => this.#insert('model', { root, label }))
    if (name !== '') this.#name(id, name)
    return id
  }

  /** The files of a model. */
  files({ rootDigest, name, files, cut }: RecordOf<'model'>): void {
    const id = this.model({ rootDigest, model: name === undefined ? {} : { name } })
    if (cut) this.#statements.run('update model set cut = 1 where id = ?', id)
    this.#known.once(['files', id, files], () => {
      for (const [, digest = ''] of files) this.#statements.run('insert or ignore into file values (?, ?)', digest, id)
    })
  }

  situation(load: Load): number {
    const { rootDigest, model, decision, code, wouldRefuse, policy, cut } = load
    // Most loads differ from one before only in their time.
    const parts = [rootDigest, model, decision, code, wouldRefuse, policy, cut, load.signers, load.claims]
    return this.#known.get(['load', ...parts], () => this.#situation(load))
  }

  #situation(load: Load): number {
    const model = this.model(load)
    const policy = load.policy ? this.#policy(load.policy) : null
    const signers = new Map<number, boolean>()
    for (const signer of load.signers) {
      const id = this.#signer(signer)
      signers.set(id, signers.get(id) === true || signer.counted)
    }
    const { decision, code = load.wouldRefuse ?? null, cut = false } = load
    const parts = [model, decision, code, policy, cut, ...[...signers].sort(([a], [b]) => a - b)]
    const id = this.#known.get(['situation', ...parts.map(String)], () => {
      const added = this.#insert(
        'situation',
        { key: parts.join(), model, decision, code, policy, cut: Number(cut) },
        'key',
      )
      for (const [signer, counted] of signers)
        this.#statements.run('insert or ignore into situation_signer values (?, ?, ?)', signer, added, Number(counted))
      return added
    })
    for (const { inputs = [], signer } of load.claims) for (const root of inputs) this.#input(root, model, signer)
    return id
  }

  #input(root: string, model: number, signer: string): void {
    this.#known.once(['input', root, model, signer], () =>
      this.#statements.run('insert or ignore into input values (?, ?, ?)', root, model, signer),
    )
  }

  #name(model: number, name: string): void {
    this.#known.once(['name', model, name], () => {
      const names = this.#statements.all('select 1 from model_name where model = ?', model)
      if (names.length < MOST_NAMES) this.#statements.run('insert or ignore into model_name values (?, ?)', model, name)
    })
  }

  #policy({ path, digest = '', includes = [] }: NonNullable<Load['policy']>): number {
    const digests = [digest, ...includes]
    return this.#known.get(['policy', path, ...digests], () => {
      const id = this.#insert('policy', { key: JSON.stringify([path, ...digests]) })
      for (const one of digests)
        this.#statements.run('insert or ignore into policy_digest values (?, ?, ?)', one, id, path)
      return id
    })
  }

  #signer(signer: Load['signers'][number]): number {
    const { method, fingerprint, name, identity, issuer, subject, alternativeNames = [], rootFingerprint } = signer
    const facts = { method, fingerprint, name, identity, issuer, subject, alternativeNames, rootFingerprint }
    const key = JSON.stringify(facts)
    return this.#known.get(['signer', key], () => {
      const id = this.#insert('signer', { key, fingerprint, root: rootFingerprint ?? null, facts: key }, 'key')
      for (const one of new Set([name, identity, subject, ...alternativeNames]))
        if (one !== undefined) this.#statements.run('insert or ignore into signer_name values (?, ?)', one, id)
      return id
    })
  }

  /** @param key the column that identifies the row; default: all columns */
  #insert(table: string, row: Readonly<Record<string, Cell>>, key?: string): number {
    const names = Object.keys(row)
    const columns = key === undefined ? names : [key]
    const where = columns.map((name) => `${name} = ?`).join(' and ')
    const found = this.#statements.get<{ id: number }>(
      `select id from ${table} where ${where}`,
      ...columns.map((name) => row[name] ?? null),
    )
    if (found) return found.id
    const sql = `insert into ${table} (${names.join()}) values (${names.map(() => '?').join()})`
    return this.#statements.run(sql, ...Object.values(row)).id
  }
}
