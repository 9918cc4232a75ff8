import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  openJournal,
  originOf,
  readJournalFile,
  readVerifierKey,
  signedCheckpoint,
  type JournalFile,
} from '@modelseal/core/journal'
import type { JournalQuestion } from '../protocol.ts'
import { Refused } from './refused.ts'
import type { Sender, Senders } from '../senders.ts'
import { StoredJournal, type Notice } from './stored-journal.ts'

/** Journals whose state is in memory at a time; those of others are read again. */
const MOST_OPEN = 64
/** Journals of one host: it must not take the places of others. */
const MOST_OF_HOST = 32

/** No sender has this name. */
const NOBODY = ''

interface Options {
  directory: string
  senders: Senders
  maxJournals: number
  notice: (journal: string, ...notice: Parameters<Notice>) => void
  created: (file: JournalFile) => void
}

/** All journals of a collector, each with the host that may write it. */
export class StoredJournals {
  readonly #options: Options
  readonly #hosts = new Map<string, string>()
  readonly #open = new Map<string, StoredJournal>()
  /** What waits for each journal: requests for it are answered one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #creating: Promise<unknown> = Promise.resolve()

  private constructor(options: Options) {
    this.#options = options
  }

  /** Reads which journals there are. @throws errors of the operating system */
  static async open(options: Options): Promise<StoredJournals> {
    const journals = new StoredJournals(options)
    for (const name of await readdir(options.directory)) {
      const path = join(options.directory, name)
      if (/^[0-9a-f]{32}$/.test(name)) journals.#hosts.set(name, await journals.#hostOf(name))
      else if (/^\.[0-9a-f]{16}\.tmp$/.test(name)) await rm(path, { recursive: true, force: true })
    }
    return journals
  }

  /** Nobody may write a journal that is damaged; the others are collected. */
  async #hostOf(id: string): Promise<string> {
    try {
      return (await openJournal(join(this.#options.directory, id))).file.host
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#options.notice(id, 'failed', error.message)
      return NOBODY
    }
  }

  directoryOf(id: string): string | undefined {
    return this.#hosts.has(id) ? join(this.#options.directory, id) : undefined
  }

  /**
   * Works with a journal of the host, while nobody else does.
   *
   * @throws {@link Refused} `JOURNAL_FOREIGN` for one of another host, or an unknown one
   */
  async use<T>(id: string, { host }: Sender, work: (journal: StoredJournal) => Promise<T>): Promise<T> {
    const owner = this.#hosts.get(id)
    if (owner === undefined) throw foreign('it is unknown to the collector', host)
    if (owner !== host) throw foreign('it belongs to another host', host)
    return this.#inTurn(id, async () => {
      const journal = await this.#opened(id)
      try {
        return await work(journal)
      } catch (error) {
        if (!(error instanceof Refused)) this.#open.delete(id)
        throw error
      }
    })
  }

  /**
   * Creates the journal of the host if it is new, which binds its key to it, and compares its checkpoint otherwise.
   *
   * @throws {@link Refused}
   */
  async ask(id: string, sender: Sender, { journal: text, note }: JournalQuestion): Promise<StoredJournal['state']> {
    const read = readJournalFile(text)
    if (!('journal' in read)) throw new Refused('JOURNAL_INVALID', `journal.json is invalid: ${read.fault}`)
    const { journal: file } = read
    if (file.id !== id) throw new Refused('JOURNAL_INVALID', 'its journal.json is that of another journal')
    this.#checkHost(file, sender)
    const create = () => this.#createIfNew(file, text, note)
    const creating = this.#creating.then(create, create)
    this.#creating = creating
    await creating
    return this.use(id, sender, async (stored) => {
      if (JSON.stringify(stored.file) !== JSON.stringify(file))
        throw new Refused('JOURNAL_INCONSISTENT', 'its journal.json, or its key, was another one before')
      await stored.compare(note)
      return stored.state
    })
  }

  #checkHost({ host, key }: JournalFile, sender: Sender): void {
    if (host !== sender.host) throw foreign(`it says that it belongs to the host ${shown(host)}`, sender.host)
    const pinned = this.#options.senders.keysOf(host)
    if (pinned.length === 0 || pinned.includes(key)) return
    throw new Refused('JOURNAL_FOREIGN', 'its key is not the one that the collector knows', {
      expected: pinned.join(' or '),
      found: shown(key),
    })
  }

  async #createIfNew(file: JournalFile, text: string, note: string): Promise<void> {
    const { id, host, key: verifierKey } = file
    if (this.#hosts.has(id)) return
    const origin = originOf(file)
    const key = readVerifierKey(verifierKey)
    if (key?.name !== origin) throw new Refused('JOURNAL_INVALID', 'its key has another name')
    if (!signedCheckpoint(note, { origin, key: key.key }))
      throw new Refused('JOURNAL_INVALID', 'its first checkpoint is not signed by its key')
    const ofHost = [...this.#hosts.values()].filter((other) => other === host).length
    if (this.#hosts.size >= this.#options.maxJournals || ofHost >= MOST_OF_HOST)
      throw foreign('the collector accepts no further journals', host)
    await StoredJournal.create(join(this.#options.directory, id), text)
    this.#hosts.set(id, host)
    this.#options.created(file)
  }

  async #opened(id: string): Promise<StoredJournal> {
    const notice: Notice = (...given) => this.#options.notice(id, ...given)
    const journal = this.#open.get(id) ?? (await StoredJournal.open(join(this.#options.directory, id), notice))
    this.#open.delete(id)
    this.#open.set(id, journal)
    const [oldest] = this.#open.keys()
    if (this.#open.size > MOST_OPEN && oldest !== undefined) this.#open.delete(oldest)
    return journal
  }

  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id) ?? Promise.resolve()
    const result = before.then(work, work)
    this.#turns.set(id, result)
    try {
      return await result
    } finally {
      if (this.#turns.get(id) === result) this.#turns.delete(id)
    }
  }
}

function foreign(reason: string, host: string): Refused {
  return new Refused('JOURNAL_FOREIGN', reason, { expected: `a journal of the host ${shown(host)}` })
}
