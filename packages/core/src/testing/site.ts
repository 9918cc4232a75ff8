import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { readPublicKey } from '../x509/public-key.ts'
import { keySigner } from '../signing/methods/key.ts'
import { signModel, type SignOptions } from '../signing/sign-model.ts'
import { judgeModel } from '../loading/operations/judge-model.ts'
import type { OpenOptions } from '../loading/open-options.ts'

/** A directory for tests with models, temporary keys, bundles and policies. */
export class TestSite {
  readonly path: string
  #policies = 0

  static async make(): Promise<TestSite> {
    return new TestSite(await mkdtemp(join(tmpdir(), 'modelseal-policy-')))
  }

  private constructor(path: string) {
    this.path = path
  }

  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    await mkdir(dirname(this.file(name)), { recursive: true })
    await writeFile(this.file(name), content)
    return this.file(name)
  }

  /** Writes the files of a model directory. */
  async model(
    name: string,
    files: Record<string, string> = { 'config.json': '{}', 'weights.bin': 'weights' },
  ): Promise<string> {
    for (const [file, content] of Object.entries(files)) await this.write(`${name}/${file}`, content)
    return this.file(name)
  }

  /** Creates `NAME.key` and `NAME.pub`. @returns the fingerprint */
  async key(name: string): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await this.write(`${name}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return (await readPublicKey(await this.write(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }))))
      .fingerprint
  }

  /** Signs a model directory into `NAME.sig` beside it. @returns the root digest */
  async sign(
    model: string,
    key: string,
    signature = `${model}.sig`,
    options: Omit<SignOptions, 'signer' | 'signature'> = {},
  ): Promise<string> {
    const signer = await keySigner({ privateKey: this.file(`${key}.key`) })
    const signed = await signModel(this.file(model), { ...options, signer, signature: this.file(signature) })
    return signed.rootDigest
  }

  /** Writes a model directory and signs it with the key `a`. @returns the root digest */
  async signedModel(name: string, files?: Record<string, string>): Promise<string> {
    await this.model(name, files)
    return this.sign(name, 'a')
  }

  /** Writes a model directory with its bundle in it, signed with the key `a`. @returns the content of each file */
  async signedContent(name: string): Promise<Map<string, Buffer>> {
    await this.model(name)
    await this.sign(name, 'a', `${name}/model.sig`)
    const content = new Map<string, Buffer>()
    for (const file of await readdir(this.file(name))) content.set(file, await readFile(this.file(name, file)))
    return content
  }

  /** Writes a signed model directory, then changes its file `weights.bin`. */
  async changedModel(name: string): Promise<void> {
    await this.signedModel(name)
    await this.write(`${name}/weights.bin`, 'CHANGED')
  }

  /** Writes a policy under the given name, or a unique one. */
  async policy(content: unknown, name = `policy-${++this.#policies}.yaml`): Promise<string> {
    return this.write(
      name,
      typeof content === 'string' ? content : stringify(content, { aliasDuplicateObjects: false }),
    )
  }

  /** @returns the decision, with the code of the refusal, if any */
  async judge(model: string, policy: unknown, options: OpenOptions = {}): Promise<string> {
    const verdict = await judgeModel(this.file(model), { ...options, policy: await this.policy(policy) })
    const code = (verdict.error ?? verdict.wouldRefuse)?.code
    return code === undefined ? verdict.decision : `${verdict.decision} ${code}`
  }

  async remove(): Promise<void> {
    // Journals may still be written there.
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 })
  }
}
