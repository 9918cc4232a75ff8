import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { closeHashPool, openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { publisherIn, scratch, writeTree, type Publisher } from '../support/models.ts'
import { canRun, ROOT } from './judging.ts'

// A procfs link leads into the mount namespace of another process, which KServe uses for models in containers. In this
// namespace, the path in its text is another file, or does not exist.

const NAMESPACE = ROOT ? ['-m'] : ['-Urm']
const UNSHARE = canRun('unshare', ...NAMESPACE, 'true')

afterAll(() => closeHashPool())

let directory: string
let publisher: Publisher
/** The model's directory as this process sees it: empty at first. */
let models: string
/** The same directory as the other process sees it, with the signed model in it. */
let theirs: string
/** An ordinary link to that path. */
let link: string

function publisherOfAnyPath(): Publisher {
  const made = publisherIn(directory)
  writeFileSync(made.policy, readFileSync(made.policy, 'utf8').replace("'**'", "['**', '/proc/**']"))
  return made
}

/** Runs a script in another mount namespace, where `MODELS` is a different file system. */
async function otherContainer(script: string): Promise<number> {
  const holder = spawn('unshare', [...NAMESPACE, 'sh', '-ec', `${script}; echo ready; exec sleep 120`], {
    env: { ...process.env, MODELS: models, SIGNED: join(directory, 'signed') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void holder.kill())
  await once(holder.stdout, 'data')
  return holder.pid ?? 0
}

async function signed(model: string, weights: string): Promise<void> {
  writeTree(model, { 'config.json': '{}', 'sub/weights.bin': weights })
  await signModel(model, { signer: await keySigner({ privateKey: publisher.privateKey }) })
}

async function loaded(path: string, options: object = {}): Promise<string> {
  await using model = await openVerifiedModel(path, { policy: publisher.policy, ...options })
  return Buffer.from(await model.read('sub/weights.bin')).toString()
}

describe.runIf(UNSHARE)('a model in another mount namespace', () => {
  let pid: number

  beforeEach(async () => {
    directory = scratch()
    publisher = publisherOfAnyPath()
    models = join(directory, 'models')
    mkdirSync(models)
    await signed(join(directory, 'signed'), 'theirs')
    pid = await otherContainer(
      'mount -t tmpfs tmpfs "$MODELS"; cp -r "$SIGNED"/. "$MODELS"/; chmod -R go-w "$MODELS"; cd "$MODELS"',
    )
    theirs = `/proc/${pid}/root${models}`
    link = join(directory, 'link')
    symlinkSync(theirs, link)
  })

  const ways = (): string[] => [link, theirs, `/proc/${pid}/cwd`]

  test('is loaded by any path that leads to it', async () => {
    for (const path of ways()) {
      expect(await loaded(path)).toBe('theirs')
      expect(
        (await openVerifiedModel(join(path, 'sub/weights.bin'), { policy: publisher.policy })).verdict,
      ).toMatchObject({
        decision: 'accepted',
        model: { entry: 'sub/weights.bin' },
      })
      const signature = join(path, 'model.sig')
      const { files } = await verifyModel(path, { signature, verifier: { publicKey: publisher.publicKey } })
      expect(files).toEqual({ checked: 2, signed: 2 })
    }
  })

  test('is never mistaken for the signed model that this process sees there', async () => {
    await signed(models, 'ours')
    for (const path of ways()) {
      for (const isolation of ['auto', 'memory', 'in-place', 'copy'] as const)
        expect(await loaded(path, { isolation })).toBe('theirs')
      expect(await loaded(path, { audit: true, signature: join(directory, 'none') })).toBe('theirs')
    }
    expect(await loaded(models)).toBe('ours')
  })

  test('is placed where runtimes that read link texts also find it', async () => {
    await signed(models, 'ours')
    for (const isolation of ['auto', 'in-place', 'copy'] as const) {
      await using model = await openVerifiedModel(link, { policy: publisher.policy, isolation })
      const path = await model.path('sub/weights.bin')
      expect(readFileSync(realpathSync.native(path), 'utf8')).toBe('theirs')
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    }
  })

  test('is refused by a rule that only allows in-place', async () => {
    const policy = join(directory, 'in-place.yaml')
    const require = ', require: { isolation: [memory, in-place] } }]'
    writeFileSync(policy, readFileSync(publisher.policy, 'utf8').replace(' }]\n', require))
    await using model = await openVerifiedModel(link, { policy })
    await expect(model.path('sub/weights.bin')).rejects.toMatchObject({ code: 'ISOLATION_REFUSED' })
  })

  test('has its links followed there, but never out of the model', async () => {
    await signed(models, 'ours')
    const signer = await keySigner({ privateKey: publisher.privateKey })
    symlinkSync('weights.bin', join(theirs, 'sub/alias.bin'))
    await signModel(link, { signer, allowSymlinks: true })
    await using model = await openVerifiedModel(link, { policy: publisher.policy })
    expect(Buffer.from(await model.read('sub/alias.bin')).toString()).toBe('theirs')
    symlinkSync(join(models, 'config.json'), join(theirs, 'ours.json'))
    await expect(signModel(link, { signer, allowSymlinks: true })).rejects.toMatchObject({ code: 'SYMLINK_REFUSED' })
  })

  test('is signed in its own mount namespace', async () => {
    await signed(models, 'ours')
    const before = readFileSync(join(models, 'model.sig'))
    const signer = await keySigner({ privateKey: publisher.privateKey })
    const { signature } = await signModel(link, { signer, signature: join(link, 'model.sig') })
    expect(readFileSync(join(theirs, 'model.sig')).equals(readFileSync(signature))).toBe(true)
    expect(readFileSync(join(models, 'model.sig')).equals(before)).toBe(true)
  })

  test('does not provide a policy, because reading it by link texts leads to another one', async () => {
    await signed(models, 'ours')
    writeFileSync(join(models, 'policy.yaml'), readFileSync(publisher.policy))
    writeFileSync(join(theirs, 'policy.yaml'), readFileSync(publisher.policy))
    await expect(loaded(join(directory, 'signed'), { policy: join(link, 'policy.yaml') })).rejects.toMatchObject({
      code: 'POLICY_UNTRUSTED',
    })
  })
})

test.runIf(UNSHARE)(
  'a directory visible in both namespaces is a different model if something is mounted in it in one of them',
  async () => {
    directory = scratch()
    publisher = publisherOfAnyPath()
    models = join(directory, 'models')
    await signed(models, 'theirs')
    const pid = await otherContainer('cp -r "$MODELS/sub" "$SIGNED"; mount --bind "$SIGNED" "$MODELS/sub"')
    writeFileSync(join(models, 'sub/weights.bin'), 'ours')
    expect(await loaded(`/proc/${pid}/root${models}`)).toBe('theirs')
    await expect(loaded(models)).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
  },
)
