import { createHash, KeyObject, sign } from 'node:crypto'
import * as asn1js from 'asn1js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { UnverifiedBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE } from '../bundle/dsse.ts'
import { authority, extension, issue, revocationList, signingLeaf } from '../testing/authority.ts'
import { timestamp, timestampAuthority } from '../testing/timestamp.ts'
import { ModelSealError } from '../errors.ts'
import { validateChain } from './chain/chain.ts'
import { provenTime, statedTimeTrust } from './timestamp.ts'
import { attackRuns } from '../testing/runs.ts'

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate, { names: [[2, 'example.org']] })
const list = await revocationList(intermediate, { revoked: [{ certificate: root }] })

/** The outcome. Any error other than a typed refusal fails the test. */
async function outcome<T>(attempt: Promise<T>): Promise<T | 'refused'> {
  try {
    return await attempt
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'INTERNAL') return 'refused'
    throw error
  }
}

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  const index = at % copy.length
  copy[index] = (copy[index] ?? 0) ^ (1 << bit)
  return copy
}

/** The maximum length on P-256, with the bit string around it. */
const SIGNATURE_BYTES = 75

const position = fc.nat(1_000_000)
const bit = fc.nat(7)

test('no flipped bit in a certificate or revocation list is accepted', async () => {
  const good = { leaf: leaf.der, intermediates: [intermediate.der], roots: [root.der], crls: [list] }
  expect((await outcome(validateChain(good))) === 'refused').toBe(false)
  // A signature has several valid encodings; the bytes that it covers have only one.
  const said = list.length - SIGNATURE_BYTES
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('leaf', 'intermediate', 'list'), position, bit, async (part, at, n) => {
      const changed = {
        ...good,
        ...(part === 'leaf' ? { leaf: flipped(leaf.der, at, n) } : {}),
        ...(part === 'intermediate' ? { intermediates: [flipped(intermediate.der, at, n)] } : {}),
        ...(part === 'list' ? { crls: [flipped(list, at % said, n)] } : {}),
      }
      expect((await outcome(validateChain(changed))) === 'refused').toBe(true)
    }),
    { numRuns: attackRuns(50) },
  )
})

test('arbitrary extensions of an authority result in a path or a typed refusal', async () => {
  const ids = ['9', '14', '15', '17', '18', '19', '30', '31', '32', '33', '35', '36', '37', '54'].map(
    (id) => `2.5.29.${id}`,
  )
  const junk = fc.record({
    id: fc.constantFrom(...ids),
    critical: fc.boolean(),
    value: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Uint8Array.of(0x30, bytes.length, ...bytes)),
      fc.tuple(fc.nat(8), fc.uint8Array({ maxLength: 16 })).map(([tag, bytes]) =>
        // Names and constraints with a valid outer structure.
        Uint8Array.of(0x30, bytes.length + 2, 0x80 + tag, bytes.length, ...bytes),
      ),
    ),
  })
  const extensionsOf = (items: { id: string; critical: boolean; value: Uint8Array }[]) =>
    items.map(({ id, critical, value }) => extension(id, critical, { toBER: () => Uint8Array.from(value).buffer }))
  const several = fc.uniqueArray(junk, { selector: ({ id }) => id, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(several, several, fc.boolean(), async (onMiddle, onLeaf, ca) => {
      const middle = await issue({
        subject: 'Intermediate',
        issuer: root,
        keyIds: false,
        ...(ca && !onMiddle.some(({ id }) => id === '2.5.29.19') ? { ca } : {}),
        extensions: extensionsOf(onMiddle),
      })
      const last = await issue({ subject: 'Signer', issuer: middle, keyIds: false, extensions: extensionsOf(onLeaf) })
      await outcome(validateChain({ leaf: last.der, intermediates: [middle.der], roots: [root.der] }))
    }),
    { numRuns: attackRuns(50) },
  )
})

test('a flipped bit in a timestamp refuses it, or does not change its meaning', async () => {
  const { root: trusted, signer } = await timestampAuthority()
  const signature = sign('sha256', createHash('sha256').digest(), KeyObject.from(leaf.keys.privateKey))
  const good = await timestamp(signer, signature)
  const time = (der: Buffer) => {
    const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload: Buffer.alloc(0), signature } as const
    const bundle: UnverifiedBundle = {
      material: { method: 'key' },
      envelope,
      timestamps: [der],
      digest: '',
      size: 0,
    }
    return outcome(provenTime(bundle, statedTimeTrust({ timestampAuthorities: [trusted.der] })))
  }
  const said = await time(good)
  expect(said).toMatchObject({ authority: 'CN=Time Authority' })
  const runs = attackRuns(100)
  let refused = 0
  await fc.assert(
    fc.asyncProperty(position, bit, async (at, n) => {
      const result = await time(flipped(good, at, n))
      if (result === 'refused') refused++
      else expect(result).toEqual(said)
    }),
    { numRuns: runs },
  )
  expect(refused).toBeGreaterThan(runs * 0.75)
})

test('deeply nested lists are refused as a certificate and as a revocation list', async () => {
  let nest: asn1js.Sequence = new asn1js.Sequence()
  for (let depth = 0; depth < 500; depth++) nest = new asn1js.Sequence({ value: [nest] })
  const der = Buffer.from(nest.toBER())
  const roots = [root.der]
  expect(await outcome(validateChain({ leaf: der, roots }))).toBe('refused')
  expect(await outcome(validateChain({ leaf: leaf.der, intermediates: [intermediate.der], roots, crls: [der] }))).toBe(
    'refused',
  )
})
