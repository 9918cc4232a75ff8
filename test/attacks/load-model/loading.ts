// Loads models in this process, with the policies that it holds and the models that are open in it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import {
  closeHashPool,
  loadPolicy,
  ModelSealError,
  openVerifiedModel,
  watchPolicy,
  type ModelReader,
  type OpenedModel,
  type Policy,
  type WatchedPolicy,
} from '@modelseal/core'

export const SOURCES = ['path', 'held', 'watched'] as const
export const LEVELS = ['memory', 'copy', 'in-place', 'auto'] as const
export const WAYS = [
  'nothing',
  'read',
  'readAll',
  'stream',
  'place',
  'read while gathering',
  'place while gathering',
] as const

/** How to load the model. */
export interface LoadRequest {
  policy: (typeof SOURCES)[number]
  isolation: (typeof LEVELS)[number]
  way: (typeof WAYS)[number]
  /** Added to the clock, in milliseconds, as if that much time had passed. */
  later: number
  /** When somebody does something to the model in the middle: before it is read, or before the runtime opens what it got. */
  interrupted?: 'before reading' | 'after placing' | undefined
}

export type Bytes = Readonly<Record<string, Uint8Array>>

/** What the runtime got, or the code of the refusal. */
export type Outcome =
  { id: number; rootDigest: string | undefined; isWarm: boolean; bytes: Bytes } | { code: string; message: string }

/** What is left behind in a process. */
export interface Leftovers {
  files: string[]
  threads: number
}

type Gathered = { read: Bytes } | { paths: Record<string, string> } | undefined

export class Loader {
  readonly #root: string
  readonly #open = new Map<number, OpenedModel<unknown>>()
  #count = 0
  #held: Policy | undefined
  #watched: WatchedPolicy | undefined

  constructor(root: string) {
    this.#root = root
  }

  /** Reads the policy for later loads. @returns the code of the refusal */
  async hold(): Promise<string | undefined> {
    return codeOf(async () => (this.#held = await loadPolicy(this.#policy)))
  }

  async watch(): Promise<string | undefined> {
    return codeOf(async () => (this.#watched = await watchPolicy(this.#policy)))
  }

  /** @returns the models that have been revoked, once all of those expected are, or five seconds later */
  async reload(expected: readonly number[]): Promise<number[]> {
    await this.#watched?.current()
    const revoked = () => [...this.#open].filter(([, model]) => model.revoked.aborted).map(([id]) => id)
    for (let i = 0; i < 250 && !expected.every((id) => revoked().includes(id)); i++) await setTimeout(20)
    return revoked()
  }

  async load(request: LoadRequest, interrupt: () => Promise<unknown>): Promise<Outcome> {
    const { isolation, later } = request
    const policy = { path: this.#policy, held: this.#held, watched: this.#watched }[request.policy] ?? this.#policy
    const now = Date.now
    if (later > 0) Date.now = () => now() + later
    let model: OpenedModel<Gathered> | undefined
    try {
      model = await openVerifiedModel(join(this.#root, 'model'), { policy, isolation }, (reader) =>
        gather(reader, request, interrupt),
      )
      const bytes = await bytesOf(model, request, interrupt)
      const id = ++this.#count
      this.#open.set(id, model)
      const { hashed, model: judged } = model.verdict
      return { id, rootDigest: judged.rootDigest, isWarm: hashed === 'receipt', bytes }
    } catch (error) {
      await model?.close()
      return refusalOf(error)
    } finally {
      Date.now = now
    }
  }

  /** Reads the files of an open model again. */
  async read(id: number): Promise<Bytes | { code: string }> {
    const model = this.#open.get(id)
    if (!model) throw new Error(`no open model ${id}`)
    try {
      return Object.fromEntries(await Promise.all(model.files.map(async (name) => [name, await model.read(name)])))
    } catch (error) {
      return refusalOf(error)
    }
  }

  async close(id: number): Promise<void> {
    const model = this.#open.get(id)
    this.#open.delete(id)
    await model?.close()
  }

  /** Closes everything, and lists what is left: open files of the scratch directory, and threads. */
  async leftovers(): Promise<Leftovers> {
    for (const id of [...this.#open.keys()]) await this.close(id)
    this.#held = this.#watched = undefined
    await closeHashPool()
    if (process.platform !== 'linux') return { files: [], threads: 0 }
    for (let i = 0; i < 100 && openFiles(this.#root).length > 0; i++) await setTimeout(20)
    return { files: openFiles(this.#root), threads: readdirSync('/proc/self/task').length }
  }

  get #policy(): string {
    return join(this.#root, 'policy.yaml')
  }
}

/** The part of the adapter that runs before the whole model is checked. */
async function gather(reader: ModelReader, request: LoadRequest, interrupt: () => Promise<unknown>): Promise<Gathered> {
  const { way, interrupted } = request
  if (interrupted === 'before reading') await interrupt()
  if (way === 'read while gathering') {
    const contents = await reader.readAll(reader.files.map((name) => ({ name })))
    return { read: Object.fromEntries(reader.files.map((name, i) => [name, contents[i]!])) }
  }
  if (way !== 'place while gathering') return undefined
  const placed = await reader.place(reader.files)
  return { paths: Object.fromEntries(reader.files.map((name) => [name, placed.path(name)])) }
}

/** What a runtime gets. */
async function bytesOf(
  model: OpenedModel<Gathered>,
  { way, interrupted }: LoadRequest,
  interrupt: () => Promise<unknown>,
): Promise<Bytes> {
  const { files, gathered } = model
  if (gathered && 'read' in gathered) return gathered.read
  if (way === 'place' || gathered) {
    const placed = await model.place(files)
    if (interrupted === 'after placing') await interrupt()
    const path = (name: string) => (gathered && 'paths' in gathered ? gathered.paths[name]! : placed.path(name))
    const bytes = Object.fromEntries(files.map((name) => [name, readFileSync(path(name))]))
    model.confirm()
    return bytes
  }
  if (way === 'readAll') {
    const contents = await Promise.all(files.map((name) => model.read(name)))
    return Object.fromEntries(files.map((name, i) => [name, contents[i]!]))
  }
  const read: Record<string, Uint8Array> = {}
  if (way === 'nothing') return read
  for (const name of files) {
    if (way === 'stream') read[name] = await consumed(await model.stream(name))
    else read[name] = await model.read(name)
  }
  return read
}

async function consumed(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refusalOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof ModelSealError)) throw error
  return { code: error.code, message: error.message }
}

async function codeOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return refusalOf(error).code
  }
}

function openFiles(root: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(root) ? [path] : []
    } catch {
      return []
    }
  })
}
