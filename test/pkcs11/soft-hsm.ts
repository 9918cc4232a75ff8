import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as pkcs11js from 'pkcs11js'

/** Where setup.mjs puts what it builds. */
export const cache = join(dirname(fileURLToPath(import.meta.url)), '../../.cache/pkcs11')
export const softHsm = join(cache, 'libsofthsm2.so')
export const ready = existsSync(softHsm)
if (!ready) console.warn('Skipped: signing with SoftHSM. "npm run setup:pkcs11" makes this machine ready for it.')

export const PIN = '738146-pin'
export const SO_PIN = '90127365'

/** A directory for tokens, keys and models; the importing test must remove it. */
export const work = await realpath(await mkdtemp(join(tmpdir(), 'pkcs11-')))
let keys = 0

export function makeToken(label: string): void {
  run('softhsm2-util', '--init-token', '--free', '--label', label, '--pin', PIN, '--so-pin', SO_PIN)
}

export function makePair(token: string, label: string, id: string, type: string, ...more: string[]): void {
  tool(token, '--keypairgen', '--key-type', type, '--label', label, '--id', id, '--usage-sign', ...more)
}

export function importPair(token: string, privateKey: string, label: string, id: string): void {
  run('softhsm2-util', '--import', privateKey, '--token', token, '--label', label, '--id', id, '--pin', PIN)
}

/** No command-line tool can change this attribute. */
export function forbidSigning(token: string, label: string): void {
  const slot = describeToken(token).slot
  withSoftHsm(
    (pkcs11, { CKF_SERIAL_SESSION, CKF_RW_SESSION, CKU_USER, CKA_CLASS, CKO_PRIVATE_KEY, CKA_LABEL, CKA_SIGN }) => {
      const session = pkcs11.C_OpenSession(slotHandle(pkcs11, slot), CKF_SERIAL_SESSION | CKF_RW_SESSION)
      pkcs11.C_Login(session, CKU_USER, PIN)
      pkcs11.C_FindObjectsInit(session, [
        { type: CKA_CLASS, value: CKO_PRIVATE_KEY },
        { type: CKA_LABEL, value: label },
      ])
      const [key] = pkcs11.C_FindObjects(session, 1)
      pkcs11.C_FindObjectsFinal(session)
      pkcs11.C_SetAttributeValue(session, present(key), [{ type: CKA_SIGN, value: false }])
    },
  )
}

export function slotHandle(pkcs11: pkcs11js.PKCS11, slot: string): Buffer {
  return present(pkcs11.C_GetSlotList(true).find((handle) => handle.readBigUInt64LE() === BigInt(slot)))
}

export function tool(token: string, ...args: string[]): string {
  return run('pkcs11-tool', '--module', softHsm, '--token-label', token, '--login', '--pin', PIN, ...args)
}

export function describeToken(label: string): { slot: string; serial: string } {
  const slots = run('softhsm2-util', '--show-slots').split(/^Slot /m)
  const text = present(slots.find((slot) => slot.includes(`Label:            ${label} `)))
  return { slot: present(/^\d+/.exec(text)?.[0]), serial: present(/Serial number: +(\w+)/.exec(text)?.[1]) }
}

export function makeKey(curve: string): { privateKey: string; publicKey: string } {
  const base = join(work, `own-${++keys}`)
  const [privateKey, publicKey] = [`${base}.key`, `${base}.pub`]
  run('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-out', privateKey)
  run('openssl', 'pkey', '-in', privateKey, '-pubout', '-out', publicKey)
  return { privateKey, publicKey }
}

export function makeCertificate(curve: string): { privateKey: string; certificate: string } {
  const { privateKey } = makeKey(curve)
  const certificate = `${privateKey}.crt`
  const subject = ['-subj', `/CN=signer ${keys}`, '-addext', 'keyUsage=digitalSignature']
  run('openssl', 'req', '-x509', '-key', privateKey, ...subject, '-days', '2', '-out', certificate)
  return { privateKey, certificate }
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`)
  return stdout
}

type Package = typeof pkcs11js

export function initializedSoftHsm(): { pkcs11: pkcs11js.PKCS11; constants: Package } {
  const constants = createRequire(import.meta.url)('pkcs11js') as Package
  const pkcs11 = new constants.PKCS11()
  pkcs11.load(softHsm)
  pkcs11.C_Initialize()
  return { pkcs11, constants }
}

export function withSoftHsm(use: (pkcs11: pkcs11js.PKCS11, constants: Package) => void): void {
  const { pkcs11, constants } = initializedSoftHsm()
  try {
    use(pkcs11, constants)
  } finally {
    pkcs11.C_Finalize()
    pkcs11.close()
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('SoftHSM does not have what the test made')
  return value
}
