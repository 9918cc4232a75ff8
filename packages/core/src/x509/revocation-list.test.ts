import { join } from 'node:path'
import { expect, test } from 'vitest'
import { authority, pemOf, revocationList } from '../testing/authority.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { parseRevocationLists, readRevocationLists } from './revocation-list.ts'

const root = await authority('Root')
const list = await revocationList(root)
const PEM = pemOf({ der: list }, 'X509 CRL')

test('reads the lists of a PEM file, and the list of a DER file', async () => {
  expect(parseRevocationLists(Buffer.from(pemOf(root) + PEM + PEM), 'a.pem')).toEqual([list, list])
  expect(parseRevocationLists(list, 'a.crl')).toEqual([list])
  const directory = scratch({
    'a.pem': PEM,
    huge: Buffer.alloc(6 * 1024 * 1024 + 1),
    large: PEM + ' '.repeat(6 * 1024 * 1024 - PEM.length),
  })
  expect(await readRevocationLists(join(directory, 'a.pem'))).toEqual([list])
  expect(await readRevocationLists(join(directory, 'large'))).toHaveLength(1)
  await expect(readRevocationLists(join(directory, 'huge'))).rejects.toThrow(refusal('FILE_TOO_LARGE'))
  await expect(readRevocationLists(join(directory, 'none'))).rejects.toThrow(
    refusal('FILE_NOT_FOUND', { message: expect.stringContaining('revocation list') }),
  )
})

test('refuses a PEM file without a complete list', () => {
  const wrong = refusal('CRL_INVALID', {
    file: 'a.pem',
    expected: 'complete blocks "-----BEGIN X509 CRL-----"',
    found: '"CERTIFICATE"',
    message: expect.stringContaining('complete revocation list'),
    hint: undefined,
  })
  expect(() => parseRevocationLists(Buffer.from(pemOf(root)), 'a.pem')).toThrow(wrong)
  expect(() => parseRevocationLists(Buffer.from(pemOf(root) + PEM.slice(0, -20)), 'a.pem')).toThrow(wrong)
  const key = pemOf({ der: Buffer.from('key') }, 'PUBLIC KEY')
  expect(() => parseRevocationLists(Buffer.from(key), 'a.pem')).toThrow(
    refusal('CRL_INVALID', { found: '"PUBLIC KEY"', hint: undefined }),
  )
})

const [SIGNED, ALGORITHM, BITS] = [Buffer.from([0x30, 0]), Buffer.from([0x30, 0]), Buffer.from([0x03, 1, 0])]

/** DER of a value with a long length. */
function value(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const head = Buffer.from([tag, 0x83, 0, 0, 0])
  head.writeUIntBE(content.length, 2, 3)
  return Buffer.concat([head, content])
}

test.each([
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('junk')],
  ['zeros', Buffer.alloc(100)],
  ['a certificate request', value(0x30, SIGNED, BITS, ALGORITHM)],
  ['a list without a signature', value(0x30, SIGNED, ALGORITHM)],
  ['a list with more after the signature', value(0x30, SIGNED, ALGORITHM, BITS, SIGNED)],
  ['a list of another type', value(0x31, SIGNED, ALGORITHM, BITS)],
  ['two lists', Buffer.concat([list, list])],
  ['a list with a byte after it', Buffer.concat([list, Buffer.from([0])])],
  ['a list without its last byte', list.subarray(0, -1)],
  ['a list with a part that ends after it', value(0x30, SIGNED, ALGORITHM, Buffer.from([0x03, 2, 0]))],
  [
    'a list of indefinite length',
    Buffer.concat([Buffer.from([0x30, 0x80]), SIGNED, ALGORITHM, Buffer.from([0x03, 122]), Buffer.alloc(122)]),
  ],
  ['a length of four bytes', Buffer.from([0x30, 0x84, 0, 0, 0, 7, ...SIGNED, ...ALGORITHM, ...BITS])],
  ['the beginning of a length', Buffer.from([0x30, 0x83, 0])],
])('refuses a file that is %s instead of a list', (_, der) => {
  const wrong = refusal('CRL_INVALID', {
    file: 'a.crl',
    expected: 'revocation lists of at most 4194304 bytes, in PEM or DER',
    found: 'something else',
  })
  expect(() => parseRevocationLists(der, 'a.crl')).toThrow(wrong)
  expect(() => parseRevocationLists(Buffer.from(PEM + pemOf({ der }, 'X509 CRL')), 'a.crl')).toThrow(wrong)
})

test('refuses a list that is too large to be read', () => {
  const sized = (bytes: number) => value(0x30, value(0x30, Buffer.alloc(bytes - 15)), ALGORITHM, BITS)
  const most = 4 * 1024 * 1024
  expect(parseRevocationLists(sized(most), 'a.crl')).toEqual([sized(most)])
  expect(() => parseRevocationLists(sized(most + 1), 'a.crl')).toThrow(
    refusal('CRL_INVALID', { file: 'a.crl', found: '4194305 bytes' }),
  )
})

test('reads a list of which only the outline is right, whatever its parts are', () => {
  const der = value(0x30, SIGNED, ALGORITHM, Buffer.from([0x03, 0]))
  expect(parseRevocationLists(der, 'a.crl')).toEqual([der])
})
