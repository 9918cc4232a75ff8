import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { cosignedAt, readCosignerKey } from '../../../../packages/core/src/merkle/cosignature.ts'
import { checkpointText } from '../../../../packages/core/src/merkle/checkpoint.ts'
import { parseNote } from '../../../../packages/core/src/merkle/signed-note.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

// TIME@NUMBER stands for a cosignature by the witness at that time.

const NAME = 'witness.example/w1'
const PRIVATE = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
})
const PUBLIC = createPublicKey(PRIVATE)
const KEY = Buffer.concat([Buffer.from([4]), PUBLIC.export({ type: 'spki', format: 'der' }).subarray(-32)])
const HASH = createHash('sha256').update(`${NAME}\n`).update(KEY).digest().subarray(0, 4)
const WITNESS = readCosignerKey(`${NAME}+${HASH.toString('hex')}+${KEY.toString('base64')}`)
const TEXT = checkpointText({ origin: 'example.org/log', size: 7, root: Buffer.alloc(32, 1) })

const target: Target = {
  dictionary: ['\u2014 ', '\n\n', NAME, 'TIME@', 'TIME@1793613600', 'TIME@253402300800', HASH.toString('base64')],
  seeds: () =>
    texts(
      `${TEXT}\n\u2014 ${NAME} TIME@1793613600\n`,
      `${TEXT}\n\u2014 ${NAME} TIME@1793613600\n\u2014 other AAAAAAAA\n\u2014 ${NAME} TIME@1793613700\n`,
      `${TEXT}\n\u2014 ${NAME} TIME@253402300800\n`,
      `${TEXT}\n\u2014 ${NAME} TIME@0\n`,
      `${TEXT}\n\u2014 ${NAME} ${Buffer.concat([HASH, Buffer.alloc(72)]).toString('base64')}\n`,
    ),
  check(input) {
    const given = textOf(input)
    if (given === undefined || !WITNESS) return
    const end = given.lastIndexOf('\n\n') + 1
    const body = given.slice(0, end)
    const lines = given.slice(end).replace(/TIME@(\d{1,19})/g, (_, time: string) => cosignature(body, BigInt(time)))
    const note = parseNote(body + lines)
    if (!note) return
    const times = lines.split('\n').flatMap((line) => timeIn(line, body) ?? [])
    const expected = times.length > 0 && times.every((time) => time >= 0) ? Math.max(...times) * 1000 : undefined
    mustEqual(cosignedAt(note, WITNESS)?.getTime(), expected, 'When it was cosigned')
  },
}
export default target

function signedText(text: string, time: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
}

function cosignature(text: string, time: bigint): string {
  const seconds = Buffer.alloc(8)
  seconds.writeBigUInt64BE(BigInt.asUintN(64, time))
  return Buffer.concat([HASH, seconds, sign(null, signedText(text, time), PRIVATE)]).toString('base64')
}

/** Undefined for lines of others; -1 for one that is not valid. */
function timeIn(line: string, text: string): number | undefined {
  const [, name, encoded = ''] = line.split(' ')
  const bytes = Buffer.from(encoded, 'base64')
  if (name !== NAME || !bytes.subarray(0, 4).equals(HASH)) return undefined
  if (bytes.length !== 76) return -1
  const time = bytes.readBigUInt64BE(4)
  const year = new Date(Number(time) * 1000).getUTCFullYear()
  return year <= 9999 && verify(null, signedText(text, time), PUBLIC, bytes.subarray(12)) ? Number(time) : -1
}
