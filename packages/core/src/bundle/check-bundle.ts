import { isArray, isUint8Array, propertyOf } from '../any-realm.ts'
import { checkObject } from '../kinds.ts'
import type { UnverifiedBundle } from './bundle.ts'

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` for anything that `readBundle` did not return */
export function checkBundle(bundle: unknown): asserts bundle is UnverifiedBundle {
  checkObject(bundle, 'the bundle', 'the result of readBundle()', (given) => {
    const material = propertyOf(given, 'material')
    const envelope = propertyOf(given, 'envelope')
    if (typeof material !== 'object' || typeof envelope !== 'object' || !material || !envelope) return false
    const bytes = [propertyOf(envelope, 'payload'), propertyOf(envelope, 'signature')]
    const texts = [propertyOf(material, 'method'), propertyOf(envelope, 'payloadType'), propertyOf(given, 'digest')]
    return (
      bytes.every(isUint8Array) &&
      texts.every((one) => typeof one === 'string') &&
      isArray(propertyOf(given, 'timestamps'))
    )
  })
}
