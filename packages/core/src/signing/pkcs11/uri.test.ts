import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { ModelSealError } from '../../errors.ts'
import { LABEL_ATTRIBUTES, parsePkcs11Uri } from './uri.ts'

describe('a PKCS#11 URI', () => {
  test('provides the attributes of the key, the token, the module and the PIN', () => {
    const uri =
      'pkcs11:token=The%20token;manufacturer=Maker%20%c3%a9;serial=0123;model=M+1;slot-id=7;object=a&b=c;id=%00%FFx;type=private' +
      '?module-path=/usr/lib/m.so&module-name=softhsm2&pin-value=12%2634'
    expect(parsePkcs11Uri(uri)).toEqual({
      labels: { token: 'The token', manufacturer: 'Maker é', serial: '0123', model: 'M+1' },
      slotId: 7n,
      object: 'a&b=c',
      id: Buffer.from([0, 255, 120]),
      modulePath: '/usr/lib/m.so',
      moduleName: 'softhsm2',
      pin: { value: '12&34' },
    })
  })

  test('may name the PIN file by path and by URI', () => {
    for (const source of ['/run/pin%20file', 'file:/run/pin%2520file', 'file:///run/pin%2520file']) {
      expect(parsePkcs11Uri(`pkcs11:object=k?pin-source=${source}`).pin).toEqual({ file: '/run/pin file' })
    }
  })

  test('may name the public key of a pair, whose private key then signs', () => {
    for (const type of ['private', 'public', 'cert']) {
      expect(parsePkcs11Uri(`pkcs11:object=k;type=${type}`)).toEqual({ labels: {}, object: 'k' })
    }
  })

  test('may have vendor attributes in its query', () => {
    expect(parsePkcs11Uri('pkcs11:object=k?vendor-a=1&x-b=2&vendor-a=3')).toEqual({ labels: {}, object: 'k' })
  })

  test.each([
    ['of another scheme', 'pkcs12:object=k'],
    ['that is empty', ''],
    ['without a key', 'pkcs11:'],
    ['without an object or id', 'pkcs11:token=t'],
    ['with an attribute twice', 'pkcs11:object=k;object=k'],
    ['with a query attribute twice', 'pkcs11:object=k?module-name=a&module-name=a'],
    ['with an unknown attribute', 'pkcs11:object=k;colour=red'],
    ['with an unknown query attribute', 'pkcs11:object=k?colour=red'],
    ['with a vendor attribute that narrows down the key', 'pkcs11:object=k;vendor-a=1'],
    ['with an attribute in the wrong half', 'pkcs11:object=k;module-name=m'],
    ['with a path attribute in the query', 'pkcs11:object=k?token=t'],
    ['with an attribute in capitals', 'pkcs11:Object=k'],
    ['with an attribute without a value', 'pkcs11:object=k;token'],
    ['with an empty attribute', 'pkcs11:object=k;'],
    ['with a lone percent sign', 'pkcs11:object=100%'],
    ['with a bad percent escape', 'pkcs11:object=%G0'],
    ['with half a percent escape', 'pkcs11:object=%0'],
    ['with a blank', 'pkcs11:object=a b'],
    ['with a letter that is not ASCII', 'pkcs11:object=é'],
    ['with a line break', 'pkcs11:object=a\nb'],
    ['with a slash in its path', 'pkcs11:object=a/b'],
    ['with a fragment', 'pkcs11:object=a#b'],
    ['with a semicolon in its query', 'pkcs11:object=k?module-name=a;b'],
    ['whose label is not UTF-8', 'pkcs11:object=%FF'],
    ['whose label contains a zero byte', 'pkcs11:object=a%00b'],
    ['of a secret key', 'pkcs11:object=k;type=secret-key'],
    ['of data', 'pkcs11:object=k;type=data'],
    ['with a slot that is not a number', 'pkcs11:object=k;slot-id=0x1'],
    ['with a slot that is negative', 'pkcs11:object=k;slot-id=-1'],
    ['with a slot that is empty', 'pkcs11:object=k;slot-id='],
    ['with a version that is not a number', 'pkcs11:object=k;library-version=2.x'],
    ['with a relative module-path', 'pkcs11:object=k?module-path=lib/m.so'],
    ['with a module-name that is a path', 'pkcs11:object=k?module-name=../m'],
    ['with an empty module-name', 'pkcs11:object=k?module-name='],
    ['with an empty PIN', 'pkcs11:object=k?pin-value='],
    ['with a PIN and a PIN file', 'pkcs11:object=k?pin-value=1&pin-source=/run/pin'],
    ['with two PINs', 'pkcs11:object=k?pin-value=1&pin-value=1'],
    ['with a relative path of the PIN file', 'pkcs11:object=k?pin-source=pin'],
    ['with a relative URI of the PIN file', 'pkcs11:object=k?pin-source=file:pin'],
    ['with a command for the PIN', 'pkcs11:object=k?pin-source=|cat'],
    ['with a remote PIN file', 'pkcs11:object=k?pin-source=file://host/pin'],
    ['with another URI scheme for the PIN file', 'pkcs11:object=k?pin-source=https://host/pin'],
    ['that is longer than any real one', `pkcs11:object=${'k'.repeat(10_000)}`],
  ])('%s is refused', (_, uri) => {
    expect(refusal(uri)?.code).toBe('PKCS11_URI_INVALID')
  })

  test.each([
    'pkcs11:object=k;pin-value=7315',
    'pkcs11:object=k&pin-value=7315',
    'pkcs11:object=k%26pin-value%3D7315',
    'pkcs11:object=k?module-path=/m.so?pin-value=7315',
    'pkcs11:object=k?module-path=/m.so;pin-value=7315',
    'pkcs11:object=k?pin-value=73&15',
    'pkcs11:object=k?pin-value=&7315=a',
    'pkcs11:object=k?7315',
    'pkcs11:object=k?pin-value=7315%',
    'pkcs11:object=k?pin-value=7315&pin-value=7315',
    'pkcs11:object=k?pin-value=7315&pin-source=/p',
    'pkcs11:object=k?pin-source=7315',
    'pkcs11:object=k?PIN-VALUE=7315',
  ])('with a typo is refused without revealing the PIN: %s', (uri) => {
    const error = refusal(uri)
    expect(error?.code).toBe('PKCS11_URI_INVALID')
    expect(`${String(error)}${String(error?.stack)}${JSON.stringify(error)}`).not.toMatch(/7315|"73"|"15"/)
  })

  test('returns every label and id that was written into it', () => {
    const label = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => usable(text))
    const labels = fc.record(Object.fromEntries(LABELS.map((name) => [name, label])), { requiredKeys: [] })
    const id = fc.uint8Array({ minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(labels, label, id, label, (names, object, bytes, value) => {
        fc.pre(value !== '')
        const path = Object.entries({ ...names, object }).map(([name, text]) => `${name}=${encoded(Buffer.from(text))}`)
        const uri = `pkcs11:${[...path, `id=${encoded(bytes)}`].join(';')}?pin-value=${encoded(Buffer.from(value))}`
        expect(parsePkcs11Uri(uri)).toEqual({ labels: names, object, id: Buffer.from(bytes), pin: { value } })
      }),
    )
  })

  test('is parsed or refused, whatever it is', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'pkcs11:',
        'object=',
        'id=',
        'token=',
        'pin-value=',
        'pin-source=',
        'file:',
        ';',
        '&',
        '?',
        '=',
        '%',
      ),
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const error = refusal(`pkcs11:${pieces.join('')}`)
        if (error !== undefined) expect(error.code).toBe('PKCS11_URI_INVALID')
      }),
    )
  })
})

/** `library-version` has its own format. */
const LABELS = LABEL_ATTRIBUTES.filter((name) => name !== 'library-version')

/** Valid UTF-8, and not mistaken for a misplaced PIN. */
function usable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0') && !/pin-(?:value|source)=/i.test(text)
}

function encoded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').replace(/../g, '%$&')
}

function refusal(uri: string): ModelSealError | undefined {
  try {
    parsePkcs11Uri(uri)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(ModelSealError)
    return error as ModelSealError
  }
}
