import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel, type DigestOptions } from '@modelseal/core/signing'
import { scratch } from '../../../core/src/testing/scratch.ts'

/** A model of one test, signed with a key. */
export interface SignedDirectory {
  readonly model: string
  readonly publicKey: string
  readonly privateKey: string
  readonly rootDigest: string
}

const FILES = {
  'config.json': '{}',
  'README.md': '# vad',
  'onnx/weights.bin': 'weights'.repeat(100_000),
  'empty.txt': '',
}

export async function signedDirectory(
  files: Readonly<Record<string, string>> = FILES,
  options: DigestOptions = {},
): Promise<SignedDirectory> {
  const directory = scratch(Object.fromEntries(Object.entries(files).map(([name, text]) => [`vad/${name}`, text])))
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [privateKey, publicKey] = [join(directory, 'release.key'), join(directory, 'release.pub')]
  writeFileSync(privateKey, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const model = join(directory, 'vad')
  const { rootDigest } = await signModel(model, { ...options, signer: await keySigner({ privateKey }) })
  return { model, publicKey, privateKey, rootDigest }
}
