import { verify } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ERROR_CODES, ModelSealError, type ErrorCode } from '@modelseal/core'
import { pkcs11CertificateSigner, pkcs11KeySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import {
  cache,
  PIN,
  ready,
  SO_PIN,
  softHsm,
  makeToken,
  makePair,
  importPair,
  forbidSigning,
  slotHandle,
  tool,
  describeToken,
  makeKey,
  makeCertificate,
  initializedSoftHsm,
  withSoftHsm,
  work as root,
} from './pkcs11/soft-hsm.ts'

const model = join(root, 'model')

beforeAll(async () => {
  await mkdir(model)
  await writeFile(join(model, 'weights.bin'), 'weights')
})

afterAll(() => rm(root, { recursive: true }))

describe.skipIf(!ready)('with SoftHSM', () => {
  beforeAll(async () => {
    await mkdir(join(root, 'tokens'))
    await writeFile(join(root, 'softhsm2.conf'), `directories.tokendir = ${join(root, 'tokens')}\nlog.level = ERROR\n`)
    process.env['SOFTHSM2_CONF'] = join(root, 'softhsm2.conf')
    makeToken('release')
    makePair('release', 'p256', '01', 'EC:prime256v1')
    makePair('release', 'p384', '02', 'EC:secp384r1')
    makePair('release', 'p521', '03', 'EC:secp521r1')
    makeToken('imported')
  })

  test.each([
    ['P-256', '11'],
    ['P-384', '12'],
    ['P-521', '13'],
  ])('signs with a key on %s, verifiable with the public key from OpenSSL', async (curve, id) => {
    const { privateKey, publicKey } = makeKey(curve)
    importPair('imported', privateKey, curve, id)
    const signer = await pkcs11KeySigner({ uri: uri(`token=imported;object=${curve};id=%${id}`) })
    const signature = join(root, `${curve}.sig`)
    await signModel(model, { signer, signature })
    const { signer: verified } = await verifyModel(model, { signature, verifier: { publicKey } })
    expect(verified.method).toBe('key')
  })

  test('creates valid signatures for all lengths of r and s', async () => {
    const { privateKey, publicKey } = makeKey('P-521')
    importPair('imported', privateKey, 'lengths', '20')
    const signer = await pkcs11KeySigner({ uri: uri('token=imported;object=lengths') })
    const key = await readFile(publicKey)
    const lengths = new Set<number>()
    for (let i = 0; i < 64; i++) {
      const { signature } = await signer.sign(Buffer.from([i]))
      expect(verify('sha512', Buffer.from([i]), key, signature)).toBe(true)
      lengths.add(signature.length)
    }
    expect(lengths.size).toBeGreaterThan(1)
  })

  test('finds the key by id alone, by label alone, and by a URI of its public half', async () => {
    for (const path of ['token=release;id=%02', 'token=release;object=p384', 'object=p384;type=public;token=release']) {
      await expect(pkcs11KeySigner({ uri: uri(path) })).resolves.toMatchObject({ method: 'key' })
    }
  })

  test('finds the token by slot, serial, model, manufacturer and library', async () => {
    const { slot, serial } = describeToken('release')
    for (const path of [
      `slot-id=${slot}`,
      `slot-id=${slot};token=release`,
      `serial=${serial}`,
      `token=release;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;library-manufacturer=SoftHSM`,
      `token=release;slot-manufacturer=SoftHSM%20project;library-version=2.6`,
    ]) {
      await expect(pkcs11KeySigner({ uri: uri(`${path};object=p256`) })).resolves.toMatchObject({ method: 'key' })
    }
    await refused(uri(`slot-id=${slot};token=another;object=p256`), 'PKCS11_NOT_FOUND')
    await refused(uri(`token=release;model=Other;object=p256`), 'PKCS11_NOT_FOUND')
    await refused(uri(`token=release;library-version=2;object=p256`), 'PKCS11_NOT_FOUND')
  })

  test('finds the module by its name, in the given directories and in that of module-path', async () => {
    for (const name of ['softhsm2', 'libsofthsm2', 'libsofthsm2.so', 'SoftHSM2']) {
      const query = `module-name=${name}&pin-value=${PIN}`
      const options = { uri: `pkcs11:token=release;object=p256?${query}`, modulePaths: [join(root, 'none'), cache] }
      await expect(pkcs11KeySigner(options)).resolves.toMatchObject({ method: 'key' })
    }
    const query = `module-path=${cache}&module-name=softhsm2&pin-value=${PIN}`
    await expect(pkcs11KeySigner({ uri: `pkcs11:object=p256;token=release?${query}` })).resolves.toBeDefined()
  })

  test('reads the PIN from a file, by path and by URI, without the line break at its end', async () => {
    for (const ending of ['', '\n', '\r\n']) {
      const file = join(root, 'pin')
      await writeFile(file, PIN + ending)
      for (const source of [file, `file:${file}`, `file://${file}`]) {
        const options = { uri: `pkcs11:token=release;object=p256?module-path=${softHsm}&pin-source=${source}` }
        await expect(pkcs11KeySigner(options)).resolves.toMatchObject({ method: 'key' })
      }
    }
  })

  test('refuses a wrong PIN, and does not show it', async () => {
    const error = await refused(uri('token=release;object=p256', softHsm, 'wrong-43981'), 'PKCS11_PIN')
    const all = [error.message, error.stack, JSON.stringify(error), String((error.cause as Error).stack)].join()
    expect(all).not.toContain('43981')
  })

  test('says that a PIN is needed if none is given', async () => {
    await refused(`pkcs11:token=release;object=p256?module-path=${softHsm}`, 'PKCS11_PIN')
  })

  test('distinguishes a locked token from a wrong PIN', async () => {
    await refused(uri('token=release;object=p256', join(cache, 'locked.so')), 'PKCS11_PIN_LOCKED')
  })

  test('refuses a token, a slot, a label and an id that do not exist', async () => {
    const error = await refused(uri('token=nowhere;object=p256'), 'PKCS11_NOT_FOUND')
    expect(error.found).toContain('"release"')
    await refused(uri('slot-id=4294967290;object=p256'), 'PKCS11_NOT_FOUND')
    await refused(uri('token=release;object=nothing'), 'PKCS11_NOT_FOUND')
    await refused(uri('token=release;id=%99'), 'PKCS11_NOT_FOUND')
    await refused(uri('token=release;object=p256;id=%02'), 'PKCS11_NOT_FOUND')
  })

  test('refuses to choose between two tokens of the same name, and between two keys', async () => {
    makeToken('twin')
    makePair('twin', 'same', '01', 'EC:prime256v1')
    makePair('twin', 'same', '02', 'EC:prime256v1')
    await refused(uri('token=twin;object=same'), 'PKCS11_AMBIGUOUS')
    await expect(pkcs11KeySigner({ uri: uri('token=twin;object=same;id=%02') })).resolves.toBeDefined()
    makeToken('twin')
    await refused(uri('token=twin;object=same;id=%02'), 'PKCS11_AMBIGUOUS')
    await refused(uri('object=p256'), 'PKCS11_AMBIGUOUS')
  })

  test('needs no token in the URI if there is only one, next to an empty slot', async () => {
    const configured = process.env['SOFTHSM2_CONF']
    await mkdir(join(root, 'single'))
    await writeFile(join(root, 'single.conf'), `directories.tokendir = ${join(root, 'single')}\n`)
    process.env['SOFTHSM2_CONF'] = join(root, 'single.conf')
    try {
      await refused(uri('object=k'), 'PKCS11_NOT_FOUND')
      makeToken('single')
      makePair('single', 'k', '01', 'EC:prime256v1')
      await expect(pkcs11KeySigner({ uri: uri('object=k') })).resolves.toMatchObject({ method: 'key' })
    } finally {
      process.env['SOFTHSM2_CONF'] = configured
    }
  })

  test('refuses two public keys with the same id', async () => {
    makeToken('double')
    makePair('double', 'k', '01', 'EC:prime256v1')
    const { publicKey } = makeKey('P-256')
    tool('double', '--write-object', publicKey, '--type', 'pubkey', '--id', '01', '--label', 'k')
    await refused(uri('token=double;object=k'), 'PKCS11_AMBIGUOUS')
  })

  test('refuses a key of another kind, on another curve, or not for signing', async () => {
    makeToken('kinds')
    makePair('kinds', 'rsa', '01', 'rsa:2048')
    makePair('kinds', 'k1', '02', 'EC:secp256k1')
    makePair('kinds', 'derive', '03', 'EC:prime256v1')
    forbidSigning('kinds', 'derive')
    await refused(uri('token=kinds;object=rsa'), 'KEY_INVALID')
    await refused(uri('token=kinds;object=k1'), 'KEY_INVALID')
    const error = await refused(uri('token=kinds;object=derive'), 'KEY_INVALID')
    expect(error.expected).toContain('CKA_SIGN')
  })

  test('refuses a private key without its public key, unless there is a certificate', async () => {
    makeToken('half')
    const { privateKey, certificate } = makeCertificate('P-384')
    tool('half', '--write-object', privateKey, '--type', 'privkey', '--id', '07', '--label', 'k', '--usage-sign')
    await refused(uri('token=half;object=k'), 'PKCS11_NOT_FOUND')

    const signer = await pkcs11CertificateSigner({ uri: uri('token=half;object=k'), certificate, chain: [] })
    await expect(signer.sign(Buffer.from('statement'))).resolves.toBeDefined()
    const { certificate: another } = makeCertificate('P-384')
    const wrong = await pkcs11CertificateSigner({ uri: uri('token=half;object=k'), certificate: another, chain: [] })
    await expect(wrong.sign(Buffer.from('statement'))).rejects.toMatchObject({ code: 'PKCS11_FAILED' })
  })

  test('puts the certificate first and its chain after it', async () => {
    makeToken('certified')
    const { privateKey, certificate } = makeCertificate('P-256')
    const above = [makeCertificate('P-256'), makeCertificate('P-521')]
    const chain = join(root, 'chain.pem')
    const pems = above.map(({ certificate: path }) => readFile(path, 'utf8'))
    await writeFile(chain, (await Promise.all(pems)).join('some text between\n'))
    importPair('certified', privateKey, 'k', '01')

    const options = { uri: uri('token=certified;id=%01'), certificate, chain: [chain] }
    const signer = await pkcs11CertificateSigner(options)
    expect(signer.method).toBe('certificate')
    const { verificationMaterial } = await signer.sign(Buffer.from('statement'))
    const expected = [certificate, ...above.map(({ certificate: path }) => path)].map(async (path) => ({
      rawBytes: /-----\n([^-]*)-----/.exec(await readFile(path, 'utf8'))?.[1]?.replace(/\n/g, ''),
    }))
    expect(verificationMaterial).toMatchObject({
      x509CertificateChain: { certificates: await Promise.all(expected) },
    })

    const another = above[0]!.certificate
    await expect(pkcs11CertificateSigner({ ...options, certificate: another })).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
    })
    for (const certificates of [{ certificate: privateKey }, { chain: [privateKey] }]) {
      await expect(pkcs11CertificateSigner({ ...options, ...certificates })).rejects.toMatchObject({
        code: 'CERTIFICATE_INVALID',
      })
    }
  })

  test('sends the PIN again if a key requires it before each signature', async () => {
    makeToken('careful')
    makePair('careful', 'k', '01', 'EC:prime256v1', '--always-auth')
    const signer = await pkcs11KeySigner({ uri: uri('token=careful;object=k') })
    await expect(signer.sign(Buffer.from('statement'))).resolves.toBeDefined()
  })

  test('reads a public key whose point the token does not wrap', async () => {
    const wrapped = await (await pkcs11KeySigner({ uri: uri('token=release;id=%01') })).sign(Buffer.from('1'))
    const bare = await pkcs11KeySigner({ uri: uri('token=release;id=%01', join(cache, 'bare-point.so')) })
    const { verificationMaterial } = await bare.sign(Buffer.from('1'))
    expect(verificationMaterial).toEqual(wrapped.verificationMaterial)
  })

  test.each(['broken-signature.so', 'device-error.so'])('returns no signature made by %s', async (module) => {
    const signer = await pkcs11KeySigner({ uri: uri('token=release;object=p256', join(cache, module)) })
    const signature = join(root, `${module}.sig`)
    await expect(signModel(model, { signer, signature })).rejects.toMatchObject({ code: 'PKCS11_FAILED' })
    expect(existsSync(signature)).toBe(false)
  })

  test('does not touch the token once the caller has aborted', async () => {
    const signer = await pkcs11KeySigner({ uri: uri('token=release;object=p256', join(cache, 'device-error.so')) })
    const aborted = signer.sign(Buffer.from('statement'), AbortSignal.abort())
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('leaves the module finalized after success and after every kind of failure', async () => {
    const signer = await pkcs11KeySigner({ uri: uri('token=release;object=p256') })
    await signer.sign(Buffer.from('statement'))
    await refused(uri('token=release;object=p256', softHsm, 'wrong'), 'PKCS11_PIN')
    await refused(uri('token=release;object=nothing'), 'PKCS11_NOT_FOUND')
    await refused(uri('token=nowhere;object=p256'), 'PKCS11_NOT_FOUND')
    // A module that is still initialized would refuse to be initialized again.
    withSoftHsm((pkcs11) => expect(pkcs11.C_GetSlotList(true).length).toBeGreaterThan(0))
  })

  test('does not disturb a module that the process already uses', async () => {
    const { slot } = describeToken('release')
    const { pkcs11, constants } = initializedSoftHsm()
    const session = pkcs11.C_OpenSession(slotHandle(pkcs11, slot), constants.CKF_SERIAL_SESSION)
    pkcs11.C_Login(session, constants.CKU_USER, PIN)
    const signer = await pkcs11KeySigner({ uri: uri('token=release;object=p256') })
    await signer.sign(Buffer.from('statement'))
    // CKS_RO_USER_FUNCTIONS: still logged in.
    expect(pkcs11.C_GetSessionInfo(session).state).toBe(1)
    pkcs11.C_Finalize()
    pkcs11.close()
  })

  test('leaves no session in such a module', async () => {
    makeToken('sessions')
    makePair('sessions', 'k', '01', 'EC:prime256v1')
    const { slot } = describeToken('sessions')
    const { pkcs11 } = initializedSoftHsm()
    const signer = await pkcs11KeySigner({ uri: uri('token=sessions;object=k') })
    await signer.sign(Buffer.from('statement'))
    await refused(uri('token=sessions;object=nothing'), 'PKCS11_NOT_FOUND')
    // A token with an open session cannot be initialized again.
    expect(() => pkcs11.C_InitToken(slotHandle(pkcs11, slot), SO_PIN, 'sessions')).not.toThrow()
    pkcs11.C_Finalize()
    pkcs11.close()
  })
})

describe.skipIf(!ready)('the module of a URI', () => {
  test.each([
    ['is missing', 'nowhere.so', undefined],
    ['is not a library', 'text.so', 'not a library'],
  ])('is refused if it %s', async (_, name, content) => {
    if (content !== undefined) await writeFile(join(root, name), content)
    await refused(uri('object=k', join(root, name)), 'PKCS11_MODULE')
  })

  test('is refused if it is another kind of library, a device, or a directory without a name', async () => {
    const release = join(dirname(createRequire(import.meta.url).resolve('pkcs11js')), 'build/Release')
    const [addon] = await readdir(release)
    await refused(uri('object=k', join(release, addon!)), 'PKCS11_MODULE')
    await refused(uri('object=k', '/dev/null'), 'PKCS11_MODULE')
    await refused(uri('object=k', root), 'PKCS11_URI_INVALID')
    await refused('pkcs11:object=k', 'PKCS11_URI_INVALID')
    await refused('pkcs11:object=k?module-name=no-such-module', 'PKCS11_MODULE')
  })
})

function uri(path: string, module = softHsm, pin = PIN): string {
  return `pkcs11:${path}?module-path=${module}&pin-value=${pin}`
}

async function refused(text: string, code: ErrorCode): Promise<ModelSealError> {
  const error: unknown = await pkcs11KeySigner({ uri: text }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ModelSealError)
  expect(ERROR_CODES).toHaveProperty(code)
  expect((error as ModelSealError).code).toBe(code)
  expect((error as ModelSealError).message).not.toContain(PIN)
  return error as ModelSealError
}
