import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { Signer } from '../../signing/signer.ts'
import { bundleOver, encoded, keyPair, type LooseJson } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { isAttestedAlready, isSignedAlready } from './attested-already.ts'

const key = keyPair()
const payload = encoded({ any: 'statement' })
const signer: Signer = { method: 'key', sign: () => Promise.reject(new Error('nothing is signed')) }
const maker = { signer, publicKey: key.publicKey.key, signal: undefined }
const trusting: Signer = { ...signer, check: () => Promise.resolve(undefined as never) }

/** The bundle of the key in one line, changed or not. */
function line(change: (bundle: LooseJson) => void = () => {}, statement = payload): Buffer {
  const bundle = JSON.parse(bundleOver(statement, key).toString())
  change(bundle)
  return Buffer.from(JSON.stringify(bundle))
}

function stamped({ verificationMaterial }: LooseJson): void {
  verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [{ signedTimestamp: 'AAAA' }] }
}

const made = line()
const forged = line(({ dsseEnvelope }) => (dsseEnvelope.signatures[0].sig = 'AAAA'))

describe('a statement is signed already', () => {
  test('by a valid signature of the same key', async () => {
    // Each signature is another one.
    const again = line()
    expect(again).not.toEqual(made)
    expect(await isSignedAlready([again], made, maker)).toBe(true)
    expect(await isSignedAlready([Buffer.from('junk'), line(() => {}, encoded({})), again], made, maker)).toBe(true)
  })

  test('by a signer who checks bundles, if the check passes', async () => {
    const seen: unknown[] = []
    const check = (bundle: unknown) => Promise.resolve(void seen.push(bundle)) as never
    const again = line()
    expect(await isSignedAlready([again], made, { ...maker, publicKey: undefined, signer: { ...signer, check } })).toBe(
      true,
    )
    expect(seen).toEqual([again])
  })
})

describe('a statement is not signed already', () => {
  test.each<[string, Buffer[]]>([
    ['by nothing', []],
    ['by a line that cannot be read', [Buffer.from('{"a":')]],
    ['by a signature of another statement', [line(() => {}, encoded({ another: 'statement' }))]],
    ['by an invalid signature, unless its signer takes it for valid', [forged]],
    [
      'by one that names another key',
      [line(({ verificationMaterial }) => (verificationMaterial.publicKey.hint = 'f'.repeat(64)))],
    ],
    ['by one with a timestamp', [line(stamped)]],
  ])('%s', async (_, lines) => {
    expect(await isSignedAlready(lines, made, maker)).toBe(false)
    const isForged = lines.some((one) => one === forged)
    expect(await isSignedAlready(lines, made, { ...maker, signer: trusting })).toBe(isForged)
  })

  test('if nothing tells whether the timestamps of both are genuine', async () => {
    const withTime = line(stamped)
    expect(await isSignedAlready([withTime], withTime, maker)).toBe(false)
    expect(await isSignedAlready([withTime], withTime, { ...maker, signer: trusting })).toBe(true)
  })

  test('if nothing can verify its signature', async () => {
    expect(await isSignedAlready([line()], made, { ...maker, publicKey: undefined })).toBe(false)
  })

  test('if its signer does not find it valid', async () => {
    const check = () => Promise.reject(new ModelSealError('SIGNATURE_INVALID', 'Cannot verify it: a test.'))
    expect(await isSignedAlready([line()], made, { ...maker, signer: { ...signer, check } })).toBe(false)
  })
})

test.each([new ModelSealError('ABORTED', 'Aborted.'), new TypeError('a fault of the program')])(
  'what a signer throws that is no judgement is thrown: %s',
  async (error) => {
    const check = () => Promise.reject(error)
    await expect(isSignedAlready([line()], made, { ...maker, signer: { ...signer, check } })).rejects.toBe(error)
  },
)

test('reading the lines can be abandoned, before the first one and at any', async () => {
  const abandoned = isSignedAlready([line()], made, { ...maker, signal: AbortSignal.abort() })
  await expect(abandoned).rejects.toEqual(refusal('ABORTED'))
  const controller = new AbortController()
  const lines = [Buffer.from('junk'), made]
  Object.defineProperty(lines, 1, {
    get: () => {
      controller.abort()
      return made
    },
  })
  await expect(isSignedAlready(lines, made, { ...maker, signal: controller.signal })).rejects.toEqual(
    refusal('ABORTED'),
  )
})

test('keyless signatures are the same if they name the same identity and issuer', async () => {
  const sigstore = new TestSigstore()
  const by = { ...maker, publicKey: undefined, signer: trusting }
  const bundle = async (wanted = {}) => Buffer.from(JSON.stringify(await sigstore.json(wanted)))
  const one = await bundle()
  expect(await isSignedAlready([await bundle()], one, by)).toBe(true)
  expect(await isSignedAlready([await bundle({ identity: 'https://example.com/x' })], one, by)).toBe(false)
  expect(await isSignedAlready([await bundle({ issuer: 'https://example.com' })], one, by)).toBe(false)
  expect(await isSignedAlready([await bundle({ stampedAt: sigstore.at })], one, by)).toBe(false)
})

test('signatures in different logs are not the same', async () => {
  const by = { ...maker, publicKey: undefined, signer: trusting }
  const json: LooseJson = await new TestSigstore().json()
  const [entry] = json.verificationMaterial.tlogEntries as LooseJson[]
  const logged = (...logs: string[]) => {
    const tlogEntries = logs.map((keyId) => ({ ...entry, logId: { keyId } }))
    return Buffer.from(JSON.stringify({ ...json, verificationMaterial: { ...json.verificationMaterial, tlogEntries } }))
  }
  expect(await isSignedAlready([logged('AAAA')], logged('AAAA'), by)).toBe(true)
  for (const other of [logged(), logged('BBBB'), logged('AAAA', 'BBBB')])
    expect(await isSignedAlready([other], logged('AAAA'), by)).toBe(false)
})

describe('in a file,', () => {
  const inFile = async (content: string | Buffer | undefined, statement = made) => {
    const path = join(scratch(), 'claims.jsonl')
    if (content !== undefined) await writeFile(path, content)
    return isAttestedAlready(path, statement, maker)
  }
  const other = line(() => {}, encoded({ another: 'statement' })).toString()

  const invalid = forged.toString()

  test('an attestation is found in any line', async () => {
    const again = line().toString()
    for (const content of [
      again,
      `${again}\n`,
      `${other}\n${again}`,
      `${again}\n${other}\n`,
      `${other}\n${again}\n${other}\n`,
      `${invalid}\n${again}\n`,
      `${again}\n${invalid}\n`,
    ])
      expect(await inFile(content)).toBe(true)
  })

  test('or it is not', async () => {
    for (const content of [
      undefined,
      '',
      '\n',
      other,
      `${invalid}\n${other}\n`,
      made.subarray(0, -1),
      `!${made.toString()}`,
    ])
      expect(await inFile(content)).toBe(false)
  })

  test('unless the file cannot be read', async () => {
    const path = join(scratch(), 'claims.jsonl')
    await writeFile(path, Buffer.alloc(65 * 1024 * 1024))
    await expect(isAttestedAlready(path, made, maker)).rejects.toEqual(refusal('ATTESTATIONS_TOO_LARGE'))
  })
})
