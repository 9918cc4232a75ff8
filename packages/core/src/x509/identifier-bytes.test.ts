import { describe, expect, test } from 'vitest'
import { checkIdentifierBytes, checkValueCount } from './identifier-bytes.ts'

/** DER of a value with the shortest possible length. */
function value(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const long = (tag: number) => value(tag, Buffer.alloc(2049, 1))

describe('checkIdentifierBytes', () => {
  test.each<[string, Buffer]>([
    ['one', long(0x06)],
    ['a relative one', long(0x0d)],
    ['one as an alternative name', value(0x30, long(0x88))],
    ['many', value(0x30, ...Array.from({ length: 21 }, () => value(0x06, Buffer.alloc(100, 1))))],
    ['one in an octet string in an octet string', value(0x04, value(0x04, long(0x06)))],
    ['one in a bit string', value(0x03, Buffer.from([0]), long(0x06))],
    ['one in a bit string with unused bits', value(0x03, Buffer.from([7]), long(0x06))],
    [
      'one with zeros before its length',
      Buffer.concat([Buffer.from('0688000000000000' + '0801', 'hex'), Buffer.alloc(2049, 1)]),
    ],
    [
      'one among tags at the end of strings, before a byte that is no length',
      value(0x30, ...Array.from({ length: 9 }, () => Buffer.from('0401068000', 'hex')), long(0x06)),
    ],
    ['one after another value', value(0x30, value(0x02, Buffer.from([1])), long(0x06))],
    ['one in a value of indefinite length', Buffer.concat([Buffer.from([0x30, 0x80]), long(0x06), Buffer.alloc(2)])],
    [
      'one in a value with a long tag',
      value(0x30, Buffer.concat([Buffer.from([0xbf, 0x81, 0x01, 0x82, 0x08, 0x05]), long(0x06)])),
    ],
    ['one that ends after the value that contains it', Buffer.concat([Buffer.from([0x30, 0x04]), long(0x06)])],
    [
      'one in a string that ends after the value that contains it',
      value(0x04, Buffer.concat([Buffer.from([0x30, 0x04]), long(0x06)])),
    ],
    [
      'one after a string that ends in the middle of a value',
      value(0x30, value(0x04, Buffer.from([0x0c, 0x7f])), long(0x06)),
    ],
    ['one behind 20,000 values in each other', Buffer.concat([Buffer.alloc(40_000, '3080', 'hex'), long(0x06)])],
    [
      'the last one, in a value of indefinite length',
      Buffer.concat([value(0x06, Buffer.alloc(2048, 1)), Buffer.from('3080060101', 'hex')]),
    ],
    ['one before something that is not DER', value(0x04, long(0x06), Buffer.from([0x30, 0x7f]))],
  ])('refuses identifiers that are too long: %s', (_, der) => {
    expect(() => {
      checkIdentifierBytes(der)
    }).toThrow('object identifiers')
  })

  test.each<[string, Buffer]>([
    ['2,048 bytes', value(0x06, Buffer.alloc(2048, 1))],
    ['as many bytes of text', value(0x0c, Buffer.alloc(4000, 6))],
    ['nothing', Buffer.alloc(0)],
    ['a length beyond the end', Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])],
    ['an identifier whose length is beyond the end', Buffer.from([0x06, 0x82, 0x10, 0x00])],
    ['a length of too many bytes', Buffer.from([0x30, 0xff, 1, 2, 3])],
    ['a tag without an end', Buffer.from([0x1f, 0xff, 0xff])],
    ['zeros', Buffer.alloc(65536)],
  ])('accepts %s', (_, der) => {
    expect(() => {
      checkIdentifierBytes(der)
    }).not.toThrow()
  })
})

describe('checkValueCount', () => {
  const values = (count: number) => value(0x30, ...Array.from({ length: count - 1 }, () => value(0x05)))

  test('accepts 4,000 values, but not more', () => {
    expect(() => {
      checkValueCount(values(4_000))
    }).not.toThrow()
    expect(() => {
      checkValueCount(values(4_001))
    }).toThrow('more than 4000 values')
  })
})
