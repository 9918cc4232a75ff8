import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'

const require = createRequire(import.meta.url)

/** A temporary directory with a key pair, and a policy that trusts it for `models/**`. */
export class Workspace implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-test-')))
  readonly policy = join(this.path, 'trust-policy.yaml')
  readonly #key = join(this.path, 'release.key')

  constructor() {
    this.key('release')
    writeFileSync(
      this.policy,
      [
        'version: 1',
        'trustRoots:',
        '  release: { publicKey: ./release.pub }',
        'rules:',
        '  - name: models',
        '    match: { path: "models/**" }',
        '    signers: [{ key: release }]',
      ].join('\n'),
    )
  }

  /**
   * Writes a key pair, `NAME.key` and `NAME.pub`.
   *
   * @returns path of the private key
   */
  key(name: string): string {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const path = join(this.path, `${name}.key`)
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(join(this.path, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
    return path
  }

  /** Writes a model directory, without signing it. */
  write(name: string, files: Record<string, string | Uint8Array>): string {
    const directory = join(this.path, 'models', name)
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, file)), { recursive: true })
      writeFileSync(join(directory, file), content)
    }
    return directory
  }

  /** Writes a model directory and signs it. */
  async sign(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
    const directory = this.write(name, files)
    await signModel(directory, { signer: await keySigner({ privateKey: this.#key }) })
    return directory
  }

  [Symbol.dispose](): void {
    // A feed may be kept there at the same time.
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Silero VAD: detects speech in 512 samples of sound. */
export function sileroVad(): Record<string, Uint8Array> {
  return { 'silero_vad.onnx': readFileSync(require.resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx')) }
}

/** BlazeFace, a TensorFlow.js graph model: finds faces in an image of 256 by 256. */
export function blazeFace(): Record<string, Uint8Array> {
  const models = join(dirname(require.resolve('@vladmandic/human')), '../models')
  return {
    'model.json': readFileSync(join(models, 'blazeface.json')),
    'blazeface.bin': readFileSync(join(models, 'blazeface.bin')),
  }
}

/** Changes one bit in the middle of a file. */
export function flipBit(path: string): void {
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

export function copyOf(directory: string, name: string): string {
  const copy = join(dirname(directory), name)
  cpSync(directory, copy, { recursive: true })
  return copy
}
