import type * as pkcs11js from 'pkcs11js'
import { isError } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { TokenPublicKey } from './ecdsa-encoding.ts'
import { quietly, returnValue, unsignedLong, withModule, type Pkcs11Module, type Pkcs11Package } from './module.ts'
import { findSlot } from './slot.ts'
import type { Pkcs11Uri } from './uri.ts'

/** What is needed to access a key. */
export interface KeyAccess {
  constants: Pkcs11Package
  /** Path of the module. */
  module: string
  uri: Pkcs11Uri
  /** Must never be shown. */
  pin: string | undefined
}

/** A private key on a token, valid while its session is open. */
interface TokenKey {
  /** The public key; undefined if the token does not store it as a separate object. */
  publicKey(): TokenPublicKey | undefined
  /** Signs a digest with ECDSA. @returns r followed by s */
  sign(digest: Buffer): Buffer
}

type Handle = pkcs11js.Handle

interface Session extends Pkcs11Module {
  session: Handle
  loggedIn: boolean
}

/** r and s on P-521 are 132 bytes. */
const MAX_SIGNATURE_BYTES = 256

/** CK_TRUE, for which the package has no constant. */
const TRUE = 1

/**
 * Opens a session with the token that a URI names, logs in, and finds the private key. The session and the module are
 * always closed in the end. Blocks for the few milliseconds that a token takes.
 *
 * @throws {@link ModelSealError} `PKCS11_MODULE`, `PKCS11_NOT_FOUND`, `PKCS11_AMBIGUOUS`, `PKCS11_PIN`,
 * `PKCS11_PIN_LOCKED`, `KEY_INVALID`, `PKCS11_FAILED`
 */
export function withTokenKey<T>(access: KeyAccess, use: (key: TokenKey) => T): T {
  try {
    return withModule(access.constants, access.module, (module) => {
      const slot = findSlot(module, access.uri)
      return withSession(module, slot, access.pin, (session) => {
        const key = findPrivateKey(session, access)
        return use({
          publicKey: () => publicKeyOf(session, key),
          sign: (digest) => signDigest(session, key, digest, access.pin),
        })
      })
    })
  } catch (error) {
    throw error instanceof ModelSealError ? error : failed(error)
  }
}

function withSession<T>(module: Pkcs11Module, slot: Handle, pin: string | undefined, use: (session: Session) => T): T {
  const { pkcs11, constants } = module
  const session = pkcs11.C_OpenSession(slot, constants.CKF_SERIAL_SESSION)
  let logout = false
  try {
    if (pin !== undefined) logout = login(module, session, constants.CKU_USER, pin)
    return use({ ...module, session, loggedIn: pin !== undefined })
  } finally {
    if (logout) quietly(() => pkcs11.C_Logout(session))
    quietly(() => pkcs11.C_CloseSession(session))
  }
}

/** @returns false if the process was already logged in, and must stay so */
function login({ pkcs11, constants, path }: Pkcs11Module, session: Handle, user: number, pin: string): boolean {
  try {
    pkcs11.C_Login(session, user, pin)
    return true
  } catch (cause) {
    switch (returnValue(cause)) {
      case constants.CKR_USER_ALREADY_LOGGED_IN:
        return false
      case constants.CKR_PIN_LOCKED:
        throw new ModelSealError(
          'PKCS11_PIN_LOCKED',
          'Cannot log in to the token: it is locked after too many wrong PINs.',
          {
            file: path,
            hint: 'Ask its security officer to set a new PIN, for example with "pkcs11-tool --init-pin".',
            cause,
          },
        )
      case constants.CKR_PIN_INCORRECT:
      case constants.CKR_PIN_INVALID:
      case constants.CKR_PIN_LEN_RANGE:
      case constants.CKR_PIN_EXPIRED:
      case constants.CKR_USER_PIN_NOT_INITIALIZED:
        throw new ModelSealError(
          'PKCS11_PIN',
          `Cannot log in to the token: it does not accept the PIN (${nameOf(cause)}).`,
          {
            file: path,
            hint: 'Check the PIN before you try again: most tokens lock after a few wrong PINs.',
            cause,
          },
        )
      default:
        throw cause
    }
  }
}

function findPrivateKey(session: Session, { uri }: KeyAccess): Handle {
  const { pkcs11, constants, path } = session
  const [key, another] = findObjects(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_PRIVATE_KEY },
    ...(uri.object === undefined ? [] : [{ type: constants.CKA_LABEL, value: uri.object }]),
    ...(uri.id === undefined ? [] : [{ type: constants.CKA_ID, value: uri.id }]),
  ])
  if (key === undefined) throw keyNotFound(session, uri)
  if (another !== undefined) {
    throw new ModelSealError('PKCS11_AMBIGUOUS', `Cannot choose a private key: the token has several ${named(uri)}.`, {
      file: path,
      hint: 'Give both object=LABEL and id=%01 in the PKCS#11 URI; "pkcs11-tool --login --list-objects" shows them.',
    })
  }
  const [type, maySign] = pkcs11.C_GetAttributeValue(session.session, key, [
    { type: constants.CKA_KEY_TYPE },
    { type: constants.CKA_SIGN },
  ])
  if (type === undefined || unsignedLong(type.value) !== BigInt(constants.CKK_EC)) {
    throw new ModelSealError('KEY_INVALID', `Cannot use the private key ${named(uri)}: its type is not supported.`, {
      file: path,
      expected: 'an elliptic curve key on P-256, P-384 or P-521',
      hint: 'Create one with "pkcs11-tool --keypairgen --key-type EC:prime256v1".',
    })
  }
  if (maySign?.value[0] !== TRUE) {
    throw new ModelSealError('KEY_INVALID', `Cannot use the private key ${named(uri)}: it is not allowed to sign.`, {
      file: path,
      expected: 'CKA_SIGN to be true',
      hint: 'Create one with "pkcs11-tool --keypairgen --usage-sign".',
    })
  }
  return key
}

function keyNotFound({ loggedIn, path }: Session, uri: Pkcs11Uri): ModelSealError {
  if (!loggedIn) {
    return new ModelSealError('PKCS11_PIN', `Cannot find a private key ${named(uri)} on the token without a PIN.`, {
      file: path,
      hint: 'Add the path of a file that contains the PIN: "?pin-source=/run/secrets/pin".',
    })
  }
  return new ModelSealError('PKCS11_NOT_FOUND', `Cannot find a private key ${named(uri)} on the token.`, {
    file: path,
    hint: 'List its keys with "pkcs11-tool --login --list-objects".',
  })
}

function named({ object, id }: Pkcs11Uri): string {
  const label = object === undefined ? [] : [`with the label ${shown(object)}`]
  return [...label, ...(id === undefined ? [] : [`with the id ${id.toString('hex')}`])].join(' and ')
}

/** PKCS #11 v3.0, 4.9: both halves of a pair have the same CKA_ID. */
function publicKeyOf(session: Session, privateKey: Handle): TokenPublicKey | undefined {
  const { pkcs11, constants, path } = session
  const [id, label] = pkcs11.C_GetAttributeValue(session.session, privateKey, [
    { type: constants.CKA_ID },
    { type: constants.CKA_LABEL },
  ])
  const pairedBy = id !== undefined && id.value.length > 0 ? id : label
  const [key, another] = findObjects(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_PUBLIC_KEY },
    ...(pairedBy === undefined ? [] : [pairedBy]),
  ])
  if (key === undefined) return undefined
  if (another !== undefined) {
    throw new ModelSealError(
      'PKCS11_AMBIGUOUS',
      'Cannot choose a public key: the token has several with the same id.',
      {
        file: path,
        hint: 'Give each key pair on the token its own id.',
      },
    )
  }
  const [params, point] = pkcs11.C_GetAttributeValue(session.session, key, [
    { type: constants.CKA_EC_PARAMS },
    { type: constants.CKA_EC_POINT },
  ])
  return params && point && { params: params.value, point: point.value }
}

/** @returns at most two, because more than one is already ambiguous */
function findObjects({ pkcs11, session }: Session, template: pkcs11js.Template): Handle[] {
  pkcs11.C_FindObjectsInit(session, template)
  try {
    const first = pkcs11.C_FindObjects(session, 2)
    // A module may return fewer than requested, although there are more.
    return first.length === 1 ? [...first, ...pkcs11.C_FindObjects(session, 1)] : first
  } finally {
    pkcs11.C_FindObjectsFinal(session)
  }
}

function signDigest(session: Session, key: Handle, digest: Buffer, pin: string | undefined): Buffer {
  const { pkcs11, constants } = session
  pkcs11.C_SignInit(session.session, { mechanism: constants.CKM_ECDSA }, key)
  // PKCS #11 v3.0, 4.9: such a key requires the PIN again before each signature.
  if (pin !== undefined && alwaysAuthenticates(session, key)) {
    login(session, session.session, constants.CKU_CONTEXT_SPECIFIC, pin)
  }
  return pkcs11.C_Sign(session.session, digest, Buffer.alloc(MAX_SIGNATURE_BYTES))
}

function alwaysAuthenticates({ pkcs11, constants, session }: Session, key: Handle): boolean {
  try {
    const [always] = pkcs11.C_GetAttributeValue(session, key, [{ type: constants.CKA_ALWAYS_AUTHENTICATE }])
    return always?.value[0] === TRUE
  } catch {
    return false // older tokens do not know this attribute
  }
}

function failed(cause: unknown): ModelSealError {
  return new ModelSealError('PKCS11_FAILED', `Cannot use the token: it failed (${nameOf(cause)}).`, {
    hint: 'Check that the token is plugged in or reachable, and that "pkcs11-tool --test" passes.',
    cause,
  })
}

function nameOf(error: unknown): string {
  return isError(error) ? error.message : 'no reason was stated'
}
