import { LABEL_ATTRIBUTES, parsePkcs11Uri } from '../../../../packages/core/src/signing/pkcs11/uri.ts'
import { ModelSealError } from '../../../../packages/core/src/errors.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const PIN = 'Q7Q7Q7'

const target: Target = {
  longest: 400,
  dictionary: [
    'pkcs11:',
    'object=',
    'id=%01',
    ';',
    '?',
    '&',
    'pin-value=',
    'pin-source=',
    'module-path=/',
    'module-name=',
    'x-a=',
    ...LABEL_ATTRIBUTES,
    PIN,
  ],
  seeds: () =>
    texts(
      'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/pin',
      `pkcs11:id=%01%02;slot-id=7?pin-value=${PIN}&module-path=/usr/lib/x.so`,
      'pkcs11:object=a%20b;type=private?x-vendor=1',
      'pkcs11:object=a?pin-source=file:///run/pin',
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    checkSecrecy(text)
    const read = readOrRefused(() => parsePkcs11Uri(text))
    if (read === REFUSED) return
    const [path = '', query = ''] = text.slice('pkcs11:'.length).split(/\?(.*)/s)
    const given = new Map(
      [...path.split(';'), ...query.split('&')].map(
        (part) => [part.replace(/=.*/s, ''), part.replace(/^[^=]*=?/s, '')] as const,
      ),
    )
    const value = (name: string) => (given.has(name) ? decodeURIComponent(given.get(name) ?? '') : undefined)
    mustEqual(
      [read.object, read.modulePath, read.moduleName],
      [value('object'), value('module-path'), value('module-name')],
      'What it names',
    )
    mustEqual(
      read.labels,
      Object.fromEntries(LABEL_ATTRIBUTES.flatMap((name) => (given.has(name) ? [[name, value(name)]] : []))),
      'The labels',
    )
    if (read.pin && 'value' in read.pin) mustEqual(read.pin.value, value('pin-value'), 'The PIN')
  },
}
export default target

/** A typo can put the PIN anywhere. */
function checkSecrecy(text: string): void {
  try {
    parsePkcs11Uri(text)
  } catch (error) {
    if (error instanceof ModelSealError && JSON.stringify(error).includes(PIN))
      throw new Error('The message has the PIN.')
  }
}
