import type { KeyObject } from 'node:crypto'
import { withoutPrototype } from '../../snapshot.ts'
import { readTokenPublicKey } from './ecdsa-encoding.ts'
import { checkNamesModule, findModule, loadPkcs11Package } from './module.ts'
import { readPin } from './pin.ts'
import { withTokenKey, type KeyAccess } from './token.ts'
import { parsePkcs11Uri } from './uri.ts'

/**
 * Finds the module, and reads the PIN. The token is not used yet.
 *
 * @param modulePaths where modules are searched for; default: where distributions install them
 * @throws {@link ModelSealError} `PKCS11_UNAVAILABLE`, `PKCS11_URI_INVALID`, `PKCS11_MODULE`, `PKCS11_PIN`, and for the PIN file
 * `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`
 */
export async function accessToKey(text: string, modulePaths?: readonly string[]): Promise<KeyAccess> {
  const uri = withoutPrototype(parsePkcs11Uri(text))
  checkNamesModule(uri)
  const constants = loadPkcs11Package()
  return { uri, constants, module: await findModule(uri, modulePaths), pin: uri.pin && (await readPin(uri.pin)) }
}

/**
 * @returns undefined if the token does not store the public key as a separate object
 * @throws {@link ModelSealError} like {@link withTokenKey}
 */
export async function publicKeyOnToken(access: KeyAccess): Promise<KeyObject | undefined> {
  const stored = withTokenKey(access, (key) => key.publicKey())
  return stored && readTokenPublicKey(stored)
}
