import { checkIdentifierBytes } from '../../../../packages/core/src/x509/identifier-bytes.ts'
import { asn1js, authority } from '../../../../packages/core/src/testing/authority.ts'
import type { Target } from '../../target.ts'

/** The limit of the code. */
const MOST = 2048

const target: Target = {
  longest: 6000,
  async seeds() {
    const { der } = await authority('Root')
    const id = Buffer.concat([Buffer.from([0x06, 0x82, 0x04, 0x00]), Buffer.alloc(1024, 0x81)])
    const wrapped = (tag: number, content: Buffer) =>
      Buffer.concat([Buffer.from([tag, 0x82, content.length >> 8, content.length & 0xff]), content])
    return [
      der,
      id,
      wrapped(0x30, Buffer.concat([id, id])),
      wrapped(0x24, wrapped(0x04, id)),
      wrapped(0x30, wrapped(0xa0, id)),
      // Zeros before its length.
      Buffer.concat([Buffer.from([0x06, 0x86, 0, 0, 0, 0, 0x07, 0xff]), Buffer.alloc(2047, 0x81)]),
    ]
  },
  check(input) {
    try {
      checkIdentifierBytes(input)
    } catch (error) {
      if (error instanceof Error && /^more than \d+ bytes of object identifiers$/.test(error.message)) return
      throw error
    }
    // asn1js takes long for them, so only few may get there.
    const bytes = identifierBytes(parsed(input))
    if (bytes > MOST) throw new Error(`asn1js reads ${bytes} bytes of object identifiers.`)
  },
}
export default target

/** Undefined if it is refused. asn1js throws for times that are none. */
function parsed(der: Uint8Array): asn1js.AsnType | undefined {
  try {
    const { result, offset } = asn1js.fromBER(der, { maxNodes: 512 })
    return offset < 0 ? undefined : result
  } catch {
    return undefined
  }
}

function identifierBytes(value: asn1js.AsnType | undefined): number {
  if (value === undefined) return 0
  if (value instanceof asn1js.ObjectIdentifier || value instanceof asn1js.RelativeObjectIdentifier)
    return value.lenBlock.length
  const { value: inner } = value.valueBlock as { value?: unknown }
  if (!Array.isArray(inner)) return 0
  return (inner as asn1js.AsnType[]).reduce((sum, each) => sum + identifierBytes(each), 0)
}
