import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import { SmallS3 } from '../../packages/s3/src/testing/small-s3.ts'
import { publisherIn } from '../support/models.ts'
import { ROOT } from '../support/documents.ts'

const PACKAGES = join(ROOT, 'test/node_modules')

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

  /** A model that the reference tool has signed with a key. */
  reference: (directory) => {
    const reference = join(ROOT, 'test/fixtures/reference')
    cpSync(join(reference, 'model'), join(directory, 'models/vad'), { recursive: true })
    cpSync(join(reference, 'signer.pub'), join(directory, 'release.pub'))
    cpSync(join(reference, '1.1.1-key.sig'), join(directory, 'models/vad.sig'))
    return Promise.resolve(fixture())
  },
}
