// The users: this one, and a second one in a process of its own.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Loader, type Bytes, type Leftovers, type LoadRequest, type Outcome } from './loading.ts'
import { tamper, type Tampering } from './tampering.ts'

/** A user id that nothing else has. */
export const SECOND = 12_345

/** A user who loads models and changes files. */
export interface User {
  readonly id: number
  start(root: string, environment: Record<string, string>): Promise<void>
  hold(): Promise<string | undefined>
  watch(): Promise<string | undefined>
  reload(expected: readonly number[]): Promise<number[]>
  load(request: LoadRequest, interrupt: () => Promise<unknown>): Promise<Outcome>
  read(id: number): Promise<Bytes | { code: string }>
  close(id: number): Promise<void>
  leftovers(): Promise<Leftovers>
  tamper(tampering: Tampering): Promise<boolean>
  end(): Promise<void>
}

export type Method = Exclude<keyof User, 'id' | 'end'>

/** What is asked of the second user's process, and what it answers; or that a load is to be interrupted. */
export type Message = { call: Method; arguments: unknown[] } | { interrupted: true }
export type Answer = { value: unknown } | { error: string } | { interrupt: true }

/** The user of this process. */
export class ThisUser implements User {
  readonly id = process.geteuid?.() ?? 0
  #root = ''
  #loader = new Loader('')
  #before: Record<string, string | undefined> = {}

  start(root: string, environment: Record<string, string>): Promise<void> {
    this.#root = root
    this.#loader = new Loader(root)
    this.#before = Object.fromEntries(Object.keys(environment).map((name) => [name, process.env[name]]))
    Object.assign(process.env, environment)
    return Promise.resolve()
  }

  hold = () => this.#loader.hold()
  watch = () => this.#loader.watch()
  reload = (expected: readonly number[]) => this.#loader.reload(expected)
  load = (request: LoadRequest, interrupt: () => Promise<unknown>) => this.#loader.load(request, interrupt)
  read = (id: number) => this.#loader.read(id)
  close = (id: number) => this.#loader.close(id)
  leftovers = () => this.#loader.leftovers()
  tamper = (tampering: Tampering) => Promise.resolve(tamper(this.#root, tampering))

  end(): Promise<void> {
    for (const [name, value] of Object.entries(this.#before)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
    return Promise.resolve()
  }
}

/** A user in another process. One call at a time, except that files can be changed during a load. */
export class OtherUser implements User {
  readonly id: number
  readonly #process: ChildProcess
  #interrupt: () => Promise<unknown> = () => Promise.resolve()
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined

  constructor(id: number) {
    this.id = id
    const script = join(import.meta.dirname, 'second-user.ts')
    this.#process = fork(script, { uid: id, gid: id, serialization: 'advanced', cwd: '/' })
    this.#process.on('message', (answer: Answer) => {
      if ('interrupt' in answer) void this.#interrupt().then(() => this.#send({ interrupted: true }))
      else if ('error' in answer) this.#waiting?.reject(new Error(answer.error))
      else this.#waiting?.resolve(answer.value)
    })
    this.#process.on('exit', (code) => this.#waiting?.reject(new Error(`the second user ended with ${code}`)))
  }

  start = (...given: [string, Record<string, string>]) => this.#call<undefined>('start', ...given)
  hold = () => this.#call<string | undefined>('hold')
  watch = () => this.#call<string | undefined>('watch')
  reload = (expected: readonly number[]) => this.#call<number[]>('reload', expected)
  read = (id: number) => this.#call<Bytes | { code: string }>('read', id)
  close = (id: number) => this.#call<undefined>('close', id)
  leftovers = () => this.#call<Leftovers>('leftovers')
  tamper = (tampering: Tampering) => this.#call<boolean>('tamper', tampering)

  load(request: LoadRequest, interrupt: () => Promise<unknown>): Promise<Outcome> {
    this.#interrupt = interrupt
    return this.#call<Outcome>('load', request)
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL')
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
  }

  #send(message: Message): void {
    this.#process.send(message)
  }

  async #call<T>(call: Method, ...given: unknown[]): Promise<T> {
    if (this.#waiting) throw new Error('the second user is busy')
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting = { resolve: resolve as (value: unknown) => void, reject }
        this.#send({ call, arguments: given })
      })
    } finally {
      this.#waiting = undefined
    }
  }
}
