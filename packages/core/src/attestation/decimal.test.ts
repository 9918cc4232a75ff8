import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareDecimals, decimalOf, decimalOfNumber, isSameDecimal } from './decimal.ts'

const compared = (a: string, b: string) => Math.sign(compareDecimals(decimalOf(a)!, decimalOf(b)!))

describe('decimals', () => {
  test.each([
    ['0.1', '0.10', 0],
    ['1', '1.0e0', 0],
    ['-0', '0', 0],
    ['0.92', '0.9200000000000000000000000001', -1],
    ['9007199254740993', '9007199254740992', 1],
    ['1e3', '999.999', 1],
    ['-2', '-1', -1],
    ['1e-400', '0', 1],
    ['000.5', '0.5', 0],
    ['-1e300', '-1e-300', -1],
    ['99e-2', '1', -1],
    ['0', '-1e-300', 1],
  ])('compares %s with %s', (a, b, order) => {
    expect(compared(a, b)).toBe(order)
    expect(compared(b, a)).toBe(order === 0 ? 0 : -order)
  })

  test.each(['', '.5', '5.', '0x1', 'NaN', 'Infinity', ' 1', '1 ', '1e', '1e9999999', '--1', '1,5', '1e1001', '٣'])(
    'does not read %j',
    (text) => expect(decimalOf(text)).toBeUndefined(),
  )

  test.each([
    ['1e1000', '1e999', 1],
    ['-1e1000', '1e-1000', -1],
    ['1e-1000', '0', 1],
    ['000e5', '-0.000', 0],
    ['0010', '1e1', 0],
    [`${'9'.repeat(400)}.${'9'.repeat(400)}`, `1${'0'.repeat(399)}e1`, -1],
  ])('compares the extreme %s with %s', (a, b, order) => {
    expect(compared(a, b)).toBe(order)
    expect(compared(b, a)).toBe(order === 0 ? 0 : -order)
  })

  test.each(['1e-1001', '9'.repeat(401), `0.${'1'.repeat(401)}`, '1e+1001'])('does not read the extreme %s', (text) =>
    expect(decimalOf(text)).toBeUndefined(),
  )

  test('are the same if their value is', () => {
    const same = (a: string, b: string) => isSameDecimal(decimalOf(a)!, decimalOf(b)!)
    expect([same('1', '10'), same('1', '2'), same('0.10', '00.1'), same('1e2', '100')]).toEqual([
      false,
      false,
      true,
      true,
    ])
  })

  test('every finite double has the decimal of its shortest notation', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), (value) => {
        const decimal = decimalOfNumber(value)!
        expect(Number(`${decimal.digits}e${decimal.exponent}`)).toBe(value === 0 ? 0 : value)
      }),
    )
  })

  test('are ordered like integers, however they are scaled', () => {
    const parts = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: -50, max: 50 }))
    fc.assert(
      fc.property(parts, parts, ([a, x], [b, y]) => {
        const low = BigInt(Math.min(x, y))
        const order = a * 10n ** (BigInt(x) - low) - b * 10n ** (BigInt(y) - low)
        expect(compared(`${a}e${x}`, `${b}e${y}`)).toBe(order < 0n ? -1 : order > 0n ? 1 : 0)
        expect(isSameDecimal(decimalOf(`${a}e${x}`)!, decimalOf(`${b}e${y}`)!)).toBe(order === 0n)
      }),
    )
  })
})
