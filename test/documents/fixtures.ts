import { cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
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

/** What is in the directory of a page before its first command. */
export const FIXTURES: Readonly<Record<string, (directory: string) => void | Promise<void>>> = {
  nothing: () => {},

  /** A signed ONNX model in models/vad, the keys, and the policy. */
  signed: async (directory) => {
    const { privateKey, policy } = publisherIn(directory)
    renameSync(policy, join(directory, 'modelseal.policy.yaml'))
    writeFileSync(join(directory, 'modelseal.policy.yaml'), POLICY)
    const model = join(directory, 'models/vad')
    mkdirSync(model, { recursive: true })
    cpSync(join(PACKAGES, '@ricky0123/vad-web/dist/silero_vad_v5.onnx'), join(model, 'silero_vad.onnx'))
    await signModel(model, { signature: join(model, 'model.sig'), signer: await keySigner({ privateKey }) })
  },
}
