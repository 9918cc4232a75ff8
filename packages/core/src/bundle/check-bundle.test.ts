import { expect, test } from 'vitest'
import { bundleOver, keyPair } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { parseBundle } from './bundle.ts'
import { checkBundle } from './check-bundle.ts'

const good = parseBundle(bundleOver(Buffer.from('{}'), keyPair()))
const { material, envelope } = good

test('accepts a parsed bundle', () => {
  expect(() => checkBundle(good)).not.toThrow()
  expect(() => checkBundle({ ...good, envelope: { ...envelope, payload: new Uint8Array(1) } })).not.toThrow()
})

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a path', 'model.sig'],
  ['no material', { ...good, material: undefined }],
  ['null as material', { ...good, material: null }],
  ['a text as material', { ...good, material: 'key' }],
  ['a function as material', { ...good, material: Object.assign(() => 0, { method: 'key' }) }],
  ['no envelope', { ...good, envelope: undefined }],
  ['null as envelope', { ...good, envelope: null }],
  ['a function as envelope', { ...good, envelope: Object.assign(() => 0, envelope) }],
  ['no payload', { ...good, envelope: { ...envelope, payload: undefined } }],
  ['a payload in base64', { ...good, envelope: { ...envelope, payload: 'e30=' } }],
  ['no signature', { ...good, envelope: { ...envelope, signature: undefined } }],
  ['no payload type', { ...good, envelope: { ...envelope, payloadType: undefined } }],
  ['no method', { ...good, material: { ...material, method: undefined } }],
  ['no digest', { ...good, digest: undefined }],
  ['no timestamps', { ...good, timestamps: undefined }],
  ['timestamps that are not a list', { ...good, timestamps: {} }],
])('refuses a bundle with %s', (_, bundle) => {
  expect(() => checkBundle(bundle)).toThrow(
    refusal('INVALID_ARGUMENT', {
      message: expect.stringContaining('the bundle') as string,
      expected: 'the result of readBundle()',
    }),
  )
})
