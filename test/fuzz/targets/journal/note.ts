import { generateKeyPairSync, sign } from 'node:crypto'
import { checkpointText, parseCheckpoint } from '../../../../packages/core/src/merkle/checkpoint.ts'
import { readCosignerKey } from '../../../../packages/core/src/merkle/cosignature.ts'
import { parseNote, signNote, writeNote } from '../../../../packages/core/src/merkle/signed-note.ts'
import { readVerifierKey, verifierKey } from '../../../../packages/core/src/journal/format/verifier-key.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

const ROOT = Buffer.alloc(32, 1)

const target: Target = {
  dictionary: ['\u2014 ', '\n\n', '\n\u2014 ', ROOT.toString('base64'), '+', 'example.org/log'],
  seeds() {
    const keys = [generateKeyPairSync('ed25519'), generateKeyPairSync('ec', { namedCurve: 'P-256' })]
    const text = checkpointText({ origin: 'example.org/log', size: 7, root: ROOT })
    const signatures = keys.map(({ privateKey, publicKey }) => signNote(text, 'example.org/log', privateKey, publicKey))
    const signature = sign(null, Buffer.from(text), keys[0]?.privateKey ?? '')
    const witness = { name: 'w', keyHash: Buffer.alloc(4), signature: Buffer.concat([Buffer.alloc(8), signature]) }
    const verifiers = keys.map(({ publicKey }) => verifierKey('example.org/log', publicKey))
    return texts(
      writeNote({ text, signatures }),
      writeNote({ text, signatures: [...signatures, witness] }),
      ...verifiers,
    )
  },
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const note = parseNote(text)
    if (note) mustEqual(writeNote(note), text, 'The note, written again')
    const read = parseCheckpoint(text)
    if (read && !read.note.text.startsWith(checkpointText(read.checkpoint)))
      throw new Error('It reads another checkpoint.')
    const verifier = readVerifierKey(text)
    if (verifier) mustEqual(verifierKey(verifier.name, verifier.key), text, 'The key, written again')
    const cosigner = readCosignerKey(text)
    if (cosigner && !text.startsWith(`${cosigner.name}+${cosigner.keyHash.toString('hex')}+`))
      throw new Error('It reads another cosigner.')
  },
}
export default target
