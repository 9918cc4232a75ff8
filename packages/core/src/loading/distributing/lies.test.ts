import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { hashingElsewhere, type HashElsewhere } from '../../hashing/elsewhere.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { keyPair, sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { downloadModel } from '../downloading/download-model.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { judgeModel } from '../operations/judge-model.ts'

const pair = keyPair()
const URL = 'store://models/vad'
const CONTENTS: Readonly<Record<string, string>> = { 'config.json': '{}', 'b.bin': 'weights of a model' }

function sourceOf(files: ReadonlyMap<string, Buffer>) {
  const list = () => Array.from(files, ([name, { length }]) => ({ name, size: length, version: 'v1' }))
  return memorySource(URL, files, { files: { list } })
}

/** A signed model elsewhere, one file of which was changed, and a policy that accepts what was signed. */
async function changedModel() {
  const key = scratch({ key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) })
  const signature = join(scratch(), 'model.sig')
  const files = new Map(Object.entries(CONTENTS).map(([name, text]) => [name, Buffer.from(text)]))
  await signModel(sourceOf(files), { signer: await keySigner({ privateKey: join(key, 'key') }), signature })
  files.set('b.bin', Buffer.from('weights of a thief')).set('model.sig', readFileSync(signature))
  const rules = [{ name: 'all', match: { url: 'store://**' }, signers: [{ key: 'a' }] }]
  const policy = JSON.stringify({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules })
  const publicKey = pair.publicKey.key.export({ type: 'spki', format: 'pem' })
  return {
    source: sourceOf(files),
    policy: join(scratch({ 'policy.json': policy, 'a.pub': publicKey }), 'policy.json'),
  }
}

/** Says what was signed, whatever the files contain. */
const asSigned: HashElsewhere = ({ files }) =>
  Promise.resolve(
    files.map(({ place, wanted }) => wanted.map(() => sha256(('name' in place && CONTENTS[place.name]) || ''))),
  )

test('lies about a model of a source change a verdict that asks for them, and none beside or after it', async () => {
  const { source, policy } = await changedModel()
  const judged = () => judgeModel(source, { policy })
  const verdicts = await Promise.all([judged(), hashingElsewhere(asSigned, judged), judged()])
  expect([...verdicts, await judged()].map(({ decision }) => decision)).toEqual([
    'refused',
    'accepted',
    'refused',
    'refused',
  ])
})

test('a file of a source is hashed here where its bytes are handed out, also later', async () => {
  const { source, policy } = await changedModel()
  const mismatch = refusal('FILE_MISMATCH')
  const during = hashingElsewhere(asSigned, () => openVerifiedModel(source, { policy }, (model) => model.read('b.bin')))
  await expect(during).rejects.toEqual(mismatch)
  const opened = await hashingElsewhere(asSigned, () => openVerifiedModel(source, { policy }))
  onTestFinished(() => opened.close())
  await expect(opened.read('b.bin')).rejects.toEqual(mismatch)
  await expect(opened.place(['b.bin'])).rejects.toEqual(mismatch)
})

test('a file of a source is hashed here where it is saved', async () => {
  const { source, policy } = await changedModel()
  const saving = hashingElsewhere(asSigned, () => downloadModel(source, scratch(), { policy }))
  await expect(saving).rejects.toEqual(refusal('FILE_MISMATCH'))
})
