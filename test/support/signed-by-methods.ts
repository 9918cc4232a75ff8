import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { certificateSigner, keySigner, signModel } from '@modelseal/core/signing'
import { authority, pemOf, privateKeyPem, signingLeaf } from '../../packages/core/src/testing/authority.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../packages/core/src/testing/sigstore.ts'

/** A model for each signing method, in a directory with the name of the method. */
export const ACCEPTED = ['by-key', 'by-certificate', 'by-sigstore'] as const
/** The same models, refused: a changed file, a certificate of another authority, another identity. */
export const REFUSED = {
  'by-key-changed': { code: 'FILE_MISMATCH', file: 'config.json' },
  'by-certificate-changed': { code: 'FILE_MISMATCH', file: 'config.json' },
  'by-sigstore-changed': { code: 'FILE_MISMATCH', file: 'config.json' },
  'by-certificate-of-another': { code: 'CHAIN_NO_PATH' },
  'by-sigstore-as-another': { code: 'SIGNER_NOT_TRUSTED' },
} as const

/** Writes the models, each with Silero VAD as model.onnx, and a policy in the directory above them, where the search finds it. */
export async function signByMethods(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true })
  const write = (name: string, text: string | Buffer) => writeFileSync(join(directory, name), text)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  write('release.key', privateKey.export({ type: 'pkcs8', format: 'pem' }))
  write('release.pub', publicKey.export({ type: 'spki', format: 'pem' }))
  const [certificate, another] = [await certificateIn(directory, 'acme'), await certificateIn(directory, 'another')]
  const sigstore = new TestSigstore()
  write('sigstore.json', JSON.stringify(await sigstore.root()))
  write(
    'modelseal.policy.yaml',
    `version: 1
trustRoots:
  release: { publicKey: release.pub }
  acme: { certificates: { roots: acme-root.pem } }
  ours: { sigstore: { file: sigstore.json } }
rules:
  - { name: keys, match: { path: '**/by-key*{,/**}' }, signers: [{ key: release }] }
  - { name: certificates, match: { path: '**/by-certificate*{,/**}' }, signers: [{ certificate: { root: acme, subject: 'CN=Acme' } }] }
  - { name: keyless, match: { path: '**/by-sigstore*{,/**}' }, signers: [{ sigstore: { root: ours, issuer: '${ISSUER}', identity: '${IDENTITY}' } }] }
`,
  )
  const signers = {
    'by-key': await keySigner({ privateKey: join(directory, 'release.key') }),
    'by-certificate': certificate,
    'by-sigstore': sigstore.signer(),
    'by-certificate-of-another': another,
    'by-sigstore-as-another': sigstore.signer({ identity: 'https://example.com/another' }),
  }
  for (const [name, signer] of Object.entries(signers)) {
    const model = join(directory, name)
    mkdirSync(model)
    writeFileSync(join(model, 'config.json'), '{"rate":16000}')
    cpSync(MODEL, join(model, 'model.onnx'))
    await signModel(model, { signer })
  }
  for (const name of ACCEPTED) {
    const changed = join(directory, `${name}-changed`)
    cpSync(join(directory, name), changed, { recursive: true })
    writeFileSync(join(changed, 'config.json'), '{"rate":8000}')
  }
}

const MODEL = createRequire(new URL('../../examples/package.json', import.meta.url)).resolve(
  '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
)

/** A signer certified by an authority whose certificate is in a file. */
async function certificateIn(directory: string, name: string) {
  const root = await authority('Root')
  const leaf = await signingLeaf(root, { subject: 'Acme' })
  const file = (extension: string) => join(directory, `${name}${extension}`)
  writeFileSync(file('-root.pem'), pemOf(root))
  writeFileSync(file('.pem'), pemOf(leaf))
  writeFileSync(file('.key'), await privateKeyPem(leaf))
  return certificateSigner({ privateKey: file('.key'), certificate: file('.pem') })
}
