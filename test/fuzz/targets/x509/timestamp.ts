import { parseTimestamp } from '../../../../packages/core/src/bundle/timestamp.ts'
import { rejection, timestamp, timestampAuthority } from '../../../../packages/core/src/testing/timestamp.ts'
import { mustEqual, readOrRefusedLater, REFUSED, type Target } from '../../target.ts'

const target: Target = {
  async seeds() {
    const { signer } = await timestampAuthority()
    return [await timestamp(signer, Buffer.from('data')), rejection('no')]
  },
  async check(input) {
    const read = await readOrRefusedLater(() => parseTimestamp(Buffer.from(input)))
    if (read === REFUSED) return
    const { info, at, content } = read
    // RFC 3161 2.4.2: version, policy, imprint, serial number, time.
    const [sequence] = valuesOf(content)
    const [version, , imprint, , time] = valuesOf(sequence?.content ?? Buffer.alloc(0))
    mustEqual(version?.content.toString('hex'), '01', 'The version')
    const [, hashed] = valuesOf(imprint?.content ?? Buffer.alloc(0))
    mustEqual(hashed?.content, Buffer.from(info.messageImprint.hashedMessage.valueBlock.valueHexView), 'What is hashed')
    mustEqual(dateOf(time?.content.toString('latin1') ?? ''), at.toISOString(), 'The time')
  },
}
export default target

/** Values one after another, in DER with lengths of up to two bytes. */
function valuesOf(der: Buffer): { tag: number; content: Buffer }[] {
  const values: { tag: number; content: Buffer }[] = []
  for (let at = 0; at + 1 < der.length;) {
    const first = der.readUInt8(at + 1)
    const more = first < 0x80 ? 0 : first - 0x80
    const length = more === 0 ? first : der.readUIntBE(at + 2, more)
    const start = at + 2 + more
    values.push({ tag: der.readUInt8(at), content: der.subarray(start, start + length) })
    at = start + length
  }
  return values
}

/** Only the form of RFC 3161. */
function dateOf(text: string): string {
  const [, year, month, day, hour, minute, second, fraction = ''] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? []
  return `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`
}
