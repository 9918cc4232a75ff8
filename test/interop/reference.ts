import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A request to the reference tool; see reference.py. */
export interface ReferenceRequest {
  operation: 'sign' | 'verify' | 'digests'
  model: string
  signature?: string
  privateKey?: string
  password?: string
  certificate?: string
  chain?: string[]
  publicKey?: string
  roots?: string[]
  hash?: 'sha256' | 'blake2' | 'blake3'
  shardSize?: number
  allowSymlinks?: boolean
  ignore?: string[]
  ignoreGit?: boolean
  ignoreUnsigned?: boolean
}

export type ReferenceAnswer = { ok: true; value: unknown } | { ok: false; error: string }

/** The reference tool in a separate process, which answers requests in turn. */
export class Reference {
  readonly #process = spawn(process.env['REFERENCE_PYTHON'] ?? 'python3', [join(import.meta.dirname, 'reference.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  readonly #answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()

  async ask(request: ReferenceRequest): Promise<ReferenceAnswer> {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    const line = await this.#answers.next()
    if (line.done) throw new Error('the reference tool ended; is REFERENCE_PYTHON set? (npm run test:interop sets it)')
    return JSON.parse(line.value) as ReferenceAnswer
  }

  close(): void {
    this.#process.stdin.end()
  }
}
