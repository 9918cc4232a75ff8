import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { TestWitnessKey } from '../testing/witness.ts'
import { checkpointText } from './checkpoint.ts'
import { cosignedAt, readCosignerKey } from './cosignature.ts'
import { parseNote, signNote, writeNote } from './signed-note.ts'

const NAME = 'log.example'
const text = checkpointText({ origin: NAME, size: 3, root: Buffer.alloc(32, 7) })
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const note = writeNote({ text, signatures: [signNote(text, NAME, privateKey, publicKey)] })
const witness = new TestWitnessKey()
const cosigner = readCosignerKey(witness.vkey)!
const timeIn = (signed: string) => cosignedAt(parseNote(signed)!, cosigner)?.toISOString()

test('a cosignature says when the witness saw the checkpoint', () => {
  expect(cosigner.name).toBe('witness.example/w1')
  expect(timeIn(witness.cosigned(note, 1_679_315_147))).toBe('2023-03-20T12:25:47.000Z')
  // Of several, the latest counts.
  const again = witness.cosigned(witness.cosigned(note, 1_679_315_147), 1_679_315_149)
  expect(timeIn(again)).toBe('2023-03-20T12:25:49.000Z')
})

test('the example of C2SP tlog-cosignature has the parts of a cosignature', () => {
  const line =
    '\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n'
  const [signature] = parseNote(`a\n\n${line}`)!.signatures
  expect(signature!.signature).toHaveLength(72)
  expect(signature!.signature.readBigUInt64BE()).toBe(1_679_315_147n)
})

test.each([
  ['no cosignature', note],
  ['a cosignature of another text', note + witness.line(note.replace('\n3\n', '\n4\n'))],
  ['a cosignature by another key of this name', new TestWitnessKey().cosigned(note)],
  ['a cosignature by another witness', new TestWitnessKey('witness.example/w2').cosigned(note)],
  ['a wrong one beside a right one', witness.cosigned(note) + witness.line(note.replace('\n3\n', '\n4\n'))],
  ['a time after the year 9999', witness.cosigned(note, 2n ** 63n)],
  ['a plain signature by the key', note + plainLine()],
])('%s does not count', (_, signed) => expect(timeIn(signed)).toBeUndefined())

/** A signature without the time, as a key of type 1 makes it. */
function plainLine(): string {
  const { name, keyHash, signature } = witness.cosign(text, 1)
  const line = writeNote({ text, signatures: [{ name, keyHash, signature: signature.subarray(8) }] })
  return line.slice(text.length + 1)
}

test.each([
  ['nothing', ''],
  ['another hash', witness.vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
  ['another name', witness.vkey.replace('w1', 'w2')],
  ['a key that signs notes', `${NAME}+00000000+${Buffer.alloc(33, 1).toString('base64')}`],
  ['a short key', `${NAME}+00000000+BAAA`],
  ['a line more', `${witness.vkey}\n`],
])('a key with %s is none', (_, key) => expect(readCosignerKey(key)).toBeUndefined())
