import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import { SmallS3 } from '../../packages/s3/src/testing/small-s3.ts'
import { publisherIn } from '../support/models.ts'
import { ROOT } from '../support/documents.ts'

const PACKAGES = join(ROOT, 'test/node_modules')

const { parquetWriteBuffer } = createRequire(join(ROOT, 'packages/core/package.json'))('hyparquet-writer') as {
  parquetWriteBuffer: (file: { columnData: object[] }) => ArrayBuffer
}

const POLICY = `version: 1
trustRoots:
  release: { publicKey: ./release.pub }
rules:
  - name: our models
    match: { path: 'models/**' }
    signers: [{ key: release }]
`

/** What a page has besides its directory, and what its output shows in the place of what differs each time. */
interface Fixture extends AsyncDisposable {
  env: Record<string, string>
  shown?: Record<string, string>
}

type Prepare = (directory: string) => Promise<Fixture>

const fixture = (env = {}, close = () => Promise.resolve(), shown = {}): Fixture => ({
  env,
  shown,
  [Symbol.asyncDispose]: close,
})

/** A signed ONNX model in models/vad, the keys, and the policy. */
async function signed(directory: string): Promise<Fixture> {
  const { privateKey, policy } = publisherIn(directory)
  rmSync(policy)
  writeFileSync(join(directory, 'modelseal.policy.yaml'), POLICY)
  const model = join(directory, 'models/vad')
  mkdirSync(model, { recursive: true })
  cpSync(join(PACKAGES, '@ricky0123/vad-web/dist/silero_vad_v5.onnx'), join(model, 'silero_vad.onnx'))
  await signModel(model, { signature: join(model, 'model.sig'), signer: await keySigner({ privateKey }) })
  return fixture()
}

/** Key pairs of others who sign: NAME.key and NAME.pub. */
function keysOf(directory: string, ...names: string[]): void {
  for (const name of names) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    writeFileSync(join(directory, `${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  }
}

/** Loads the model once on each of two hosts, which keep journals, and once after it was changed. */
function recordLoads(directory: string): void {
  const path = join(directory, 'modelseal.policy.yaml')
  const policy = readFileSync(path, 'utf8')
  const load = (host: string, service: string) => {
    const checkpoints = `checkpoints: { file: ./${host}.checkpoint }`
    writeFileSync(
      path,
      `${policy}journal: { directory: ./${host}, service: ${service}, host: ${host}, ${checkpoints} }\n`,
    )
    spawnSync(process.execPath, [join(ROOT, 'packages/cli/bin/modelseal.cjs'), 'verify', 'models/vad'], {
      cwd: directory,
    })
  }
  load('host-a', 'captions')
  load('host-b', 'search')
  const weights = join(directory, 'models/vad/silero_vad.onnx')
  const content = readFileSync(weights)
  writeFileSync(weights, 'changed')
  load('host-b', 'search')
  writeFileSync(weights, content)
  writeFileSync(path, policy)
}

/** What is there before the first command of a page. */
export const FIXTURES: Readonly<Record<string, Prepare>> = {
  nothing: () => Promise.resolve(fixture()),
  signed,

  /** The same, with a small hub in the place of Hugging Face. */
  'signed, hub': async (directory) => {
    await signed(directory)
    const hub = await SmallHub.start()
    return fixture({ HF_ENDPOINT: hub.origin, HF_TOKEN: 'hf_token' }, () => hub.close(), {
      [hub.origin]: 'https://huggingface.co',
    })
  },

  /** The same, with a small object store. */
  'signed, s3': async (directory) => {
    await signed(directory)
    const store = await SmallS3.start()
    const credentials = { AWS_ACCESS_KEY_ID: 'test-key', AWS_SECRET_ACCESS_KEY: 'test-secret', AWS_REGION: 'us-east-1' }
    return fixture({ AWS_ENDPOINT_URL_S3: store.origin, ...credentials }, () => store.close())
  },

  /** The same, and SoftHSM without a token. */
  'signed, token': async (directory) => {
    await signed(directory)
    const tokens = join(dirname(directory), 'tokens')
    const conf = join(dirname(directory), 'softhsm2.conf')
    mkdirSync(tokens)
    writeFileSync(conf, `directories.tokendir = ${tokens}\nlog.level = ERROR\n`)
    return fixture({ SOFTHSM2_CONF: conf })
  },

  /** The same, with a model card and the keys of others. */
  'signed, keys': async (directory) => {
    keysOf(directory, 'evaluation', 'verifier', 'security', 'second', 'stolen')
    await signed(directory)
    writeFileSync(join(directory, 'models/vad/README.md'), '---\nlicense: mit\n---\n# Voice activity detection\n')
    return fixture()
  },

  /** The same, and a service to bundle. */
  'signed, service': async (directory) => {
    await signed(directory)
    writeFileSync(
      join(directory, 'service.mjs'),
      `import { openVerifiedModel } from '@modelseal/core'
const model = await openVerifiedModel('models/vad', { isolation: 'memory' })
console.log(model.decision)
await model.close()
`,
    )
    return fixture()
  },

  /** The same, with the journals of two hosts and an unchanged service. */
  journals: async (directory) => {
    await signed(directory)
    recordLoads(directory)
    writeFileSync(join(directory, 'server.js'), '')
    return fixture()
  },

  /** Files that a policy names, and what else the page on policies mentions. */
  'policy files': async (directory) => {
    await signed(directory)
    keysOf(directory, 'a', 'b')
    mkdirSync(join(directory, 'keys'))
    cpSync(join(directory, 'release.pub'), join(directory, 'keys/release.pub'))
    for (const name of ['baseline.yaml', 'server.js']) writeFileSync(join(directory, name), '')
    const request = ['req', '-x509', '-key', 'release.key', '-subj', '/CN=release', '-out', 'release.pem']
    spawnSync('openssl', request, { cwd: directory })
    return fixture()
  },

  /** Datasets without signatures, and the keys of their team. */
  datasets: (directory) => {
    keysOf(directory, 'data-team')
    for (const name of ['digits', 'shapes']) mkdirSync(join(directory, 'data', name), { recursive: true })
    const pixels = Array.from({ length: 200 }, (_, index) => `${index}`)
    const columnData = [
      { name: 'pixels', data: pixels },
      { name: 'label', data: pixels.map((_, index) => index % 10) },
    ]
    writeFileSync(join(directory, 'data/digits/train.parquet'), Buffer.from(parquetWriteBuffer({ columnData })))
    writeFileSync(join(directory, 'data/digits/notes.jsonl'), '{"row":7,"note":"looks like a 1"}\n')
    const shapes = join(directory, 'data/shapes')
    writeFileSync(join(shapes, '0.txt'), 'circle')
    spawnSync('tar', ['-cf', 'train-0000.tar', '0.txt'], { cwd: shapes })
    rmSync(join(shapes, '0.txt'))
    return Promise.resolve(fixture())
  },

  /** A model that the reference tool has signed with a key. */
  reference: (directory) => {
    const reference = join(ROOT, 'test/fixtures/reference')
    cpSync(join(reference, 'model'), join(directory, 'models/vad'), { recursive: true })
    cpSync(join(reference, 'signer.pub'), join(directory, 'release.pub'))
    cpSync(join(reference, '1.1.1-key.sig'), join(directory, 'models/vad.sig'))
    return Promise.resolve(fixture())
  },
}
