/** A finite decimal number: `digits` × 10^`exponent`. Its digits do not end with zero, unless it is zero. */
interface Decimal {
  digits: bigint
  exponent: number
}

const NUMBER = /^(-?)(\d{1,400})(?:\.(\d{1,400}))?(?:[eE]([+-]?\d{1,6}))?$/
/** Beyond the range of any metric. Aligning two numbers can take as many digits. */
const MAX_EXPONENT = 1_000

/** @returns undefined for anything but a decimal number of a reasonable size */
export function decimalOf(text: string): Decimal | undefined {
  const match = NUMBER.exec(text)
  if (!match) return undefined
  const [, sign = '', whole = '', fraction = '', power = '0'] = match
  const written = whole + fraction
  const significant = written.replace(/0+$/, '')
  if (significant === '') return { digits: 0n, exponent: 0 }
  const exponent = Number(power) - fraction.length + (written.length - significant.length)
  if (Math.abs(exponent) > MAX_EXPONENT) return undefined
  return { digits: BigInt(sign + significant), exponent }
}

/** The decimal of a finite number in its shortest notation. */
export function decimalOfNumber(value: number): Decimal | undefined {
  return decimalOf(String(value))
}

export function isSameDecimal(a: Decimal, b: Decimal): boolean {
  return a.digits === b.digits && a.exponent === b.exponent
}

/** Negative if `a` is less than `b`, positive if it is greater, and 0 if they are equal. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const lowest = Math.min(a.exponent, b.exponent)
  const scaled = ({ digits, exponent }: Decimal) => digits * 10n ** BigInt(exponent - lowest)
  const difference = scaled(a) - scaled(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
