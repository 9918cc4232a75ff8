import type { Handle } from 'pkcs11js'
import { ModelSealError, shown } from '../../errors.ts'
import { unsignedLong, type Pkcs11Module } from './module.ts'
import type { LabelAttribute, Pkcs11Uri } from './uri.ts'

/**
 * Finds the only slot whose token, slot and library match a URI (RFC 7512 2.5).
 *
 * @throws {@link ModelSealError} `PKCS11_NOT_FOUND`, `PKCS11_AMBIGUOUS`
 */
export function findSlot(module: Pkcs11Module, uri: Pkcs11Uri): Handle {
  const present = module.pkcs11.C_GetSlotList(true).flatMap((slot) => describedSlot(module, slot))
  const matching = present.filter(
    ({ id, labels }) =>
      (uri.slotId === undefined || uri.slotId === id) &&
      Object.entries(uri.labels).every(([name, wanted]) => labels[name as LabelAttribute] === withMinor(name, wanted)),
  )
  const [only] = matching
  if (only !== undefined && matching.length === 1) return only.slot
  const found = (matching.length > 0 ? matching : present).map(({ id, labels }) => {
    return `${shown(labels.token)} (serial ${shown(labels.serial)}, slot ${id.toString()})`
  })
  throw new ModelSealError(
    matching.length === 0 ? 'PKCS11_NOT_FOUND' : 'PKCS11_AMBIGUOUS',
    matching.length === 0
      ? 'Cannot find a token that matches the PKCS#11 URI.'
      : 'Cannot choose a token: several match the PKCS#11 URI.',
    {
      file: module.path,
      found: found.length === 0 ? 'no token' : found.join(', '),
      hint: 'Name one token by token=LABEL, serial=NUMBER or slot-id=NUMBER.',
    },
  )
}

/** @returns undefined for a token that is not initialized or does not respond */
function describedSlot({ pkcs11, constants }: Pkcs11Module, slot: Handle) {
  try {
    const token = pkcs11.C_GetTokenInfo(slot)
    if ((token.flags & constants.CKF_TOKEN_INITIALIZED) === 0) return []
    const place = pkcs11.C_GetSlotInfo(slot)
    const library = pkcs11.C_GetInfo()
    // PKCS #11 pads text with blanks.
    const labels: Record<LabelAttribute, string> = {
      token: unpadded(token.label),
      manufacturer: unpadded(token.manufacturerID),
      serial: unpadded(token.serialNumber),
      model: unpadded(token.model),
      'slot-manufacturer': unpadded(place.manufacturerID),
      'slot-description': unpadded(place.slotDescription),
      'library-manufacturer': unpadded(library.manufacturerID),
      'library-description': unpadded(library.libraryDescription),
      'library-version': `${library.libraryVersion.major}.${library.libraryVersion.minor}`,
    }
    return [{ slot, id: unsignedLong(slot), labels }]
  } catch {
    return []
  }
}

function unpadded(text: string): string {
  return text.replace(/[ \0]+$/, '')
}

/** RFC 7512 2.3: a version without a minor number has the minor number 0. */
function withMinor(attribute: string, value: string): string {
  return attribute === 'library-version' && !value.includes('.') ? `${value}.0` : value
}
