import { floats } from '../onnx-models.ts'
import type { Random } from './random.ts'
import { fields, type WireField, type WireValue } from './wire-trees.ts'

// Tensors whose values may be in other files (onnx.proto: TensorProto).

export const FLOAT = 1
export const INT64 = 7
const STRING = 8

const PLAIN = Array.from({ length: 12 }, (_, i) => `w${i}.bin`)
/** Names that programs interpret differently as paths; each is created as a file if the system allows it. */
const ODD = [
  './w0.bin',
  'sub/w1.bin',
  'sub//w1.bin',
  './/w0.bin',
  'sub/./w1.bin',
  'sub/../w0.bin',
  '../outside.bin',
  '../trap/w0.bin',
  '/outside.bin',
  'w0.bin/',
  'W0.BIN',
  ' w0.bin',
  'w0.bin ',
  'w0.bin\0',
  'w0.bin\0.txt',
  '\0',
  'a\\w0.bin',
  '..\\w0.bin',
  'C:w0.bin',
  'file:w0.bin',
  'file:///outside.bin',
  '%2e%2e/outside.bin',
  'w\u00fcrze.bin',
  'wu\u0308rze.bin',
  'w\ud83d\ude00.bin',
  'two\nlines.bin',
  '"quoted".bin',
  '',
  '.',
  'sub',
  'missing.bin',
  '*/_ORT_MEM_ADDR_/*',
  `long/${'n'.repeat(250)}`,
  `${'d/'.repeat(40)}w0.bin`,
]

/** Every name that a generated model can refer to, for the files that trap the runtime. */
export const LOCATIONS: readonly string[] = [...PLAIN, ...ODD]

/** A location, which is occasionally not even text. */
function location(random: Random): WireValue {
  if (random.chance(0.92)) return random.pick(PLAIN)
  if (random.chance(0.1)) return random.pick([Buffer.from([0x77, 0xff, 0x2e]), Buffer.from('w0.bin\xe9', 'latin1')])
  return random.pick(ODD)
}

/** Two values: in another file, in the tensor, or in a mixture. */
export function tensor(random: Random, name: string, values: Uint8Array = floats(1, 2), type = FLOAT): WireField[] {
  const count = type === INT64 ? values.length / 8 : values.length / 4
  const head = fields([1, count], [2, random.chance(0.01) ? STRING : type], [8, name])
  if (random.chance(0.15)) return [...head, ...fields([9, values])]
  const parts = [...head, ...dataLocation(random), ...externalData(random, values.length)]
  if (random.chance(0.01)) parts.push(...fields([9, values]))
  return random.chance(0.3) ? random.shuffled(parts) : parts
}

/** TensorProto.data_location: DEFAULT is 0, EXTERNAL is 1. */
function dataLocation(random: Random): WireField[] {
  if (random.chance(0.95)) return fields([14, 1])
  return random.pick([
    [],
    fields([14, 0]),
    fields([14, 1], [14, 0]),
    fields([14, 0], [14, 1]),
    fields([14, 3], [14, 1]),
    fields([14, 1], [14, 3]),
    fields([14, (1n << 32n) + 1n]),
    fields([14, -1]),
    [{ number: 14, value: 1n, padding: 5 }],
    [{ number: 14, value: 1n, fixed: 5 }],
    [{ number: 14, value: 0n, padding: 9 }, ...fields([14, 1])],
  ] as WireField[][])
}

/** TensorProto.external_data: entries of key and value in any order, of which either the last or the first counts. */
function externalData(random: Random, length: number): WireField[] {
  const entries = [
    entry(random, 'location', location(random)),
    ...(random.chance(0.5)
      ? [entry(random, 'offset', random.pick([...Array<string>(12).fill('0'), '8', '4096', '-1', 'x']))]
      : []),
    ...(random.chance(0.7)
      ? [entry(random, 'length', random.chance(0.98) ? String(length) : random.pick(['0', '1', '99999999']))]
      : []),
  ]
  for (let more = random.geometric(0.08); more > 0; more--) {
    const key = random.pick(['location', 'location', 'Location', 'location ', 'location\0', '', 'checksum', 'basepath'])
    entries.push(entry(random, key, location(random)))
  }
  return (random.chance(0.3) ? random.shuffled(entries) : entries).map((value) => ({ number: 13, value }))
}

function entry(random: Random, key: string, value: WireValue): WireField[] {
  if (random.chance(0.97)) return fields([1, key], [2, value])
  return random.pick([
    fields([2, value], [1, key]),
    fields([1, 'checksum'], [2, value], [1, key]),
    fields([1, key], [2, value], [1, 'checksum']),
    fields([1, key], [2, location(random)], [2, value]),
    fields([1, key], [2, value], [2, '']),
    fields([1, key], [1, key], [2, value], [3, 'unknown']),
    fields([1, key]),
    fields([2, value]),
  ])
}
