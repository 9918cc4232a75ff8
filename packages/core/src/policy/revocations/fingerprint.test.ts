import { describe, expect, test } from 'vitest'
import { FINGERPRINT, fingerprintFault, plainHex, plainSerial, SERIAL } from './fingerprint.ts'

const HEX = 'ab12'.repeat(16)
const COLONS = HEX.replace(/..(?=.)/g, '$&:')
const SPACES = HEX.replace(/..(?=.)/g, '$& ')

describe('a fingerprint', () => {
  test.each([
    HEX,
    HEX.toUpperCase(),
    COLONS,
    SPACES,
    `sha256:${HEX}`,
    `sha-256:${HEX}`,
    `SHA256:${COLONS}`,
    `sha256=${HEX}`,
    `sha256 Fingerprint=${COLONS}`,
    `SHA-256 fingerprint: ${COLONS}`,
    `sha256: ${HEX}`,
  ])('may be written as %s, and is compared as hex digits', (text) => {
    expect(FINGERPRINT.test(text)).toBe(true)
    expect(plainHex(text)).toBe(HEX)
  })

  test.each([
    '',
    HEX.slice(2),
    `${HEX}ab`,
    HEX.slice(1),
    `${HEX.slice(2)}ag`,
    ` ${HEX}`,
    `${HEX} `,
    `x${HEX}`,
    `sha1:${HEX}`,
    `sha256:  ${HEX}`,
    `sha256 print=${HEX}`,
    COLONS.replace(':', '::'),
    `fingerprint=${HEX}`,
  ])('is not written as %j', (text) => expect(FINGERPRINT.test(text)).toBe(false))

  test.each([
    ['the base64 form of ssh-keygen', `SHA256:${'aB0/'.repeat(10)}abc`, 'this is the base64 form'],
    ['the same with its padding', `sha256:${'aB+/'.repeat(10)}abc=`, 'this is the base64 form'],
    ['a path', 'keys/a', 'to name a file, write'],
    ['a path of Windows', 'keys\\a', 'to name a file, write'],
    ['the name of a file', 'a.pem', 'to name a file, write'],
    ['the name of a file in capitals', 'A.CRT', 'to name a file, write'],
    ['a SHA-1', 'ab'.repeat(20), 'this is a SHA-1 fingerprint'],
    ['a SHA-1 as OpenSSL prints it', `SHA1 Fingerprint=${'AB:'.repeat(19)}AB`, 'this is a SHA-1 fingerprint'],
    ['a SHA-1 with a prefix', `sha-1:${'ab'.repeat(20)}`, 'this is a SHA-1 fingerprint'],
    ['an MD5', 'ab '.repeat(16).trim(), 'this is an MD5 fingerprint'],
  ])('is not %s, and the author learns why', (_, text, why) => {
    expect(FINGERPRINT.test(text)).toBe(false)
    expect(fingerprintFault(text)).toMatch(/^expected a SHA-256 of 64 hex digits, in quotes; /)
    expect(fingerprintFault(text)).toContain(why)
  })

  test.each([
    'ab'.repeat(15),
    'ab'.repeat(17),
    'ab'.repeat(21),
    'zz'.repeat(20),
    'x.pemx',
    'apem',
    `xsha256:${'a'.repeat(43)}`,
    `sha256:${'a'.repeat(44)}`,
    `sha256:${'a'.repeat(43)}==`,
    `sha256:${'a'.repeat(42)}`,
    `sha256:${'_'.repeat(43)}`,
    `xsha1:${'ab'.repeat(20)}`,
    `${'ab'.repeat(10)}sha1:${'ab'.repeat(10)}`,
  ])('is not %j, which looks like nothing else', (text) => {
    expect(fingerprintFault(text)).toBe('expected a SHA-256 of 64 hex digits, in quotes')
  })
})

describe('a serial number', () => {
  test.each([
    ['1000', '1000'],
    ['0a', 'a'],
    ['0A:bC', 'abc'],
    ['0a bc', 'abc'],
    ['0x1F', '1f'],
    ['serial=01AB', '1ab'],
    ['4096 (0x1000)', '1000'],
    ['4096 (0X0fA)', 'fa'],
    ['00', '0'],
    ['000a', 'a'],
    ['0', '0'],
  ])('may be written as %s, and is compared as %s', (text, plain) => {
    expect(SERIAL.test(text)).toBe(true)
    expect(plainSerial(text)).toBe(plain)
  })

  test.each([
    '',
    'g',
    '0x',
    'x1',
    '1:',
    ':1',
    '1::2',
    '1,2',
    ' 1',
    '1 ',
    'serial=',
    'xserial=1',
    '4096 (1000)',
    '4096(0x1000)',
    'a (0x1000)',
    ' 4096 (0x1000)',
    '4096 (0x1000) ',
    '4096 (0x)',
    '4096 (0xg)',
    '(0x1)',
  ])('is not written as %j', (text) => expect(SERIAL.test(text)).toBe(false))
})
