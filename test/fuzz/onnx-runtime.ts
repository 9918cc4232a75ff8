import { fork, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const WORK = join(import.meta.dirname, '../../.cache/fuzz')
/** A model of a kilobyte loads in a few milliseconds. */
const LONGEST_MS = 10_000

/** ONNX Runtime in a process of its own, because hostile models may end it. */
export class Runtime {
  #directory: string | undefined
  #process: ChildProcess | undefined

  /** Loads a model from a directory in which it is the only file. Returns the message of the refusal, if there is one. */
  async refusalOf(model: Uint8Array): Promise<string | undefined> {
    const path = join(this.#place, 'model.onnx')
    writeFileSync(path, model)
    const runtime = (this.#process ??= this.#start())
    return new Promise((resolve) => {
      const end = (message: string | undefined): void => {
        clearTimeout(timer)
        runtime.removeAllListeners()
        resolve(message)
      }
      const lost = (): void => {
        this.#process = undefined
        end('It ended.')
      }
      const timer = setTimeout(() => runtime.kill('SIGKILL'), LONGEST_MS)
      runtime.once('exit', lost)
      runtime.once('message', ({ refused }: { refused?: string }) => end(refused))
      runtime.send({ path })
    })
  }

  /** The name of a file that is in the directory of the model. */
  nameOf(path: string): string {
    return path.startsWith(`${this.#place}/`) ? path.slice(this.#place.length + 1) : path
  }

  get #place(): string {
    if (this.#directory === undefined) {
      mkdirSync(WORK, { recursive: true })
      this.#directory = mkdtempSync(join(WORK, 'onnx-'))
    }
    return this.#directory
  }

  #start(): ChildProcess {
    const options = {
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'] as ['ignore', 'ignore', 'ignore', 'ipc'],
    }
    return fork(new URL('onnx-process.mjs', import.meta.url), options)
  }
}
