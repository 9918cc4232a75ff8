import type { FoundFile } from '../source/local/source-file.ts'

/** What a writer does, and before which call of the reader. */
export interface WriterStep {
  /** A method of {@link SimulatedFiles} and its argument, such as `write a`. */
  action: string
  before: number
}

/** The model as its paths lead to it. Both lists have the order of {@link SimulatedFiles.found}. */
export interface Moment {
  /** Inodes of the directories. */
  directories: (number | undefined)[]
  contents: (string | undefined)[]
}

/** How far ctimes lag behind the clock, in milliseconds: a tick of the kernel and a whole second. */
const LAG = 1_020
/** Number of calls during which a truncated file shows its new length but its old ctime. */
const CALLS_UNMARKED = 3
/** The directories of the files. No file is directly in `/m/d`. */
const DIRECTORIES: Record<string, string> = { a: '/m', l: '/m', b: '/m/d/s' }

/** A file or, without bytes, a directory. */
class Inode {
  readonly entries = new Map<string, Inode>()
  readonly ino: number
  bytes: string | undefined
  dev = 1
  ctime = -1_000_000

  constructor(ino: number, bytes?: string) {
    this.ino = ino
    this.bytes = bytes
  }
}

/**
 * A model of three files on a simulated file system with a simulated clock. A writer changes them between the calls of
 * a reader. Changes get a new ctime as rarely and as late as a file system allows.
 */
export class SimulatedFiles {
  now = 1_000_000
  uptime = 0
  /** What each call of the reader depended on. */
  readonly calls: (readonly string[])[] = []
  /** The model at first and after each step of the writer. */
  readonly moments: Moment[] = []
  readonly found: FoundFile[]
  readonly #plan: readonly WriterStep[]
  /** For each file, the inode to which the writer has a descriptor. */
  readonly #kept: Record<string, Inode> = {}
  /** The directories that are exchanged with those of the model, by name. */
  readonly #others: Record<string, Inode>
  readonly #root: Inode
  readonly #opened: { path: string; inode: Inode }[] = []
  #inodes = 0
  #unmarked: { inode: Inode; until: number }[] = []
  #taken = 0

  constructor(plan: readonly WriterStep[]) {
    this.#plan = plan
    this.#root = this.#directory({ m: this.#model() })
    const m = this.#model()
    const [d, above] = [this.#model(), this.#model()].map(({ entries }) => entries.get('d'))
    this.#others = { m, d: present(d), s: present(above?.entries.get('s')) }
    for (const [name, directory] of Object.entries(DIRECTORIES)) this.#kept[name] = this.#at(`${directory}/${name}`)
    const listed = [...new Set(Object.values(DIRECTORIES))].map((path) => {
      const { dev, ino } = this.#at(path)
      return { path, root: '/m', dev: BigInt(dev), ino: BigInt(ino) }
    })
    this.found = Object.entries(DIRECTORIES).map(([name, path]) => {
      const directory = present(listed.find((one) => one.path === path))
      return { name, path: `${path}/${name}`, directory }
    })
    this.moments.push(this.#moment())
  }

  /** Whether it matters which comes first, an action of the writer or a call. */
  static isOrdered(action: string, call: readonly string[]): boolean {
    const [verb, object] = action.split(' ') as [string, string]
    // When it gets its new ctime depends on every call.
    if (verb === 'truncate') return true
    const path = object in DIRECTORIES ? `${DIRECTORIES[object]}/${object}` : object
    const touched = /write|mark|store/.test(verb) ? [path] : [path, path.slice(0, path.lastIndexOf('/'))]
    const entries = /replace|remove|restore|exchange/.test(verb) ? [`entry ${path}`] : []
    return [...touched.map((one) => `content ${one}`), ...entries, 'clock'].some((part) => call.includes(part))
  }

  // The writer's actions.

  write(name: string): void {
    this.mark(name)
    this.store(name)
  }

  /** Bytes that were written, also through a mapping, arrive after the new ctime. */
  mark(name: string): void {
    this.#mark(present(this.#kept[name]))
  }

  store(name: string): void {
    present(this.#kept[name]).bytes = this.#content(name)
    this.wait('1')
  }

  truncate(name: string): void {
    const inode = present(this.#kept[name])
    inode.bytes = ''
    this.#unmarked.push({ inode, until: this.calls.length - 1 + CALLS_UNMARKED })
  }

  /** An older file takes the place of the file. It is not marked. */
  replace(name: string): void {
    this.#enter(name, this.#file(name))
  }

  /** The file comes back, as it is by now. */
  restore(name: string): void {
    this.#enter(name, present(this.#kept[name]))
  }

  remove(name: string): void {
    const directory = this.#at(present(DIRECTORIES[name]))
    this.#mark(directory)
    directory.entries.delete(name)
    this.wait('1')
  }

  /** Another directory takes the place of this one, or this one comes back. Only the root of the model is marked. */
  exchange(path: string): void {
    const end = path.lastIndexOf('/')
    const name = path.slice(end + 1)
    const parent = this.#at(path.slice(0, end))
    const now = this.#at(path)
    const next = present(this.#others[name])
    for (const marked of name === 'm' ? [parent, now, next] : [parent]) this.#mark(marked)
    parent.entries.set(name, next)
    this.#others[name] = now
    this.wait('1')
  }

  wait(milliseconds: string): void {
    this.now += Number(milliseconds)
    this.uptime += Number(milliseconds)
  }

  clock(change: string): void {
    this.now += Number(change)
  }

  // The state at first.

  /** Makes the file this many milliseconds old. */
  age(name: string, milliseconds: number): void {
    present(this.#kept[name]).ctime = this.now - milliseconds
  }

  /** The file is on another device. */
  move(name: string): void {
    present(this.#kept[name]).dev = 2
  }

  // The reader's calls.

  wallClock(): number {
    this.#call('clock')
    return this.now
  }

  openSync(path: string): number {
    this.#call(...lookup(path))
    return this.#opened.push({ path, inode: this.#at(path) }) - 1
  }

  readSync(fd: number, into: Uint8Array, ...range: [offset: number, length: number, position: number]): number {
    const [offset, length, position] = range
    const { path, inode } = present(this.#opened[fd])
    this.#call(`content ${path}`)
    const bytes = Buffer.from(present(inode.bytes)).subarray(position, position + length)
    into.set(bytes, offset)
    return bytes.length
  }

  fstatSync(fd: number, options?: { bigint?: boolean }): object {
    const { path, inode } = present(this.#opened[fd])
    this.#call(`content ${path}`)
    return stat(inode, options?.bigint)
  }

  lstatSync(path: string, options?: { bigint?: boolean }): object {
    this.#call(...lookup(path), `content ${path}`)
    return stat(this.#at(path), options?.bigint)
  }

  closeSync(): void {}

  /** Lets the writer take the steps that come before this call. */
  #call(...parts: string[]): void {
    const call = this.calls.push(parts) - 1
    for (let step = this.#plan[this.#taken]; step && step.before <= call; step = this.#plan[++this.#taken]) {
      const [action, object] = step.action.split(' ') as ['write', string]
      this[action](object)
      this.moments.push(this.#moment())
    }
    if (this.#unmarked.length > 0)
      this.#unmarked = this.#unmarked.filter(({ inode, until }) => until > call || this.#mark(inode))
  }

  #mark(inode: Inode): void {
    // On another device, another clock marks.
    inode.ctime = inode.dev === 1 ? this.now - LAG : this.now - 1_000_000
  }

  #enter(name: string, inode: Inode): void {
    const directory = this.#at(present(DIRECTORIES[name]))
    this.#mark(directory)
    directory.entries.set(name, inode)
    this.wait('1')
  }

  #at(path: string): Inode {
    const inode = this.#find(path)
    if (!inode) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    return inode
  }

  #find(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#root
    for (const entry of path.split('/')) if (entry !== '') inode = inode?.entries.get(entry)
    return inode
  }

  #moment(): Moment {
    return {
      directories: this.found.map(({ directory }) => this.#find(present(directory).path)?.ino),
      contents: this.found.map(({ path }) => this.#find(path)?.bytes),
    }
  }

  #model(): Inode {
    const s = this.#directory({ b: this.#file('b') })
    return this.#directory({ a: this.#file('a'), l: this.#file('l'), d: this.#directory({ s }) })
  }

  #directory(entries: Record<string, Inode>): Inode {
    const inode = new Inode(++this.#inodes)
    for (const [name, entry] of Object.entries(entries)) inode.entries.set(name, entry)
    return inode
  }

  #file(name: string): Inode {
    return new Inode(++this.#inodes, this.#content(name))
  }

  /** Other bytes each time, but as many. Only `l` is larger than {@link SMALL}. */
  #content(name: string): string {
    return `${name}${++this.#inodes}`.padEnd(name === 'l' ? SMALL + 1 : SMALL)
  }
}

/** Size of a small file, in bytes. */
export const SMALL = 4

/** The entries through which a path leads. */
function lookup(path: string): string[] {
  const names = path.split('/')
  return names.slice(1).map((_, index) => `entry ${names.slice(0, index + 2).join('/')}`)
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not in the simulation')
  return value
}

function stat({ dev, ino, bytes, ctime }: Inode, bigint = false): object {
  const size = bytes?.length ?? 0
  const kind = {
    isFile: () => bytes !== undefined,
    isDirectory: () => bytes === undefined,
    isSymbolicLink: () => false,
  }
  if (!bigint) return { dev, ino, size, ctimeMs: ctime, ...kind }
  const times = { mtimeNs: 0n, ctimeNs: BigInt(ctime) * 1_000_000n }
  return { dev: BigInt(dev), ino: BigInt(ino), size: BigInt(size), mode: 0n, uid: 0n, gid: 0n, ...times, ...kind }
}
