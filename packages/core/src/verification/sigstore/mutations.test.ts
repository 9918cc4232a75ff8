import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { parsed, TestSigstore, type BundleJson, type Wanted } from '../../testing/sigstore.ts'
import { verifySigstoreBundle } from '../methods/sigstore.ts'
import { attackRuns } from '../../testing/runs.ts'

/** Every string in a bundle: the object that contains it, and its key. */
function textsOf(json: BundleJson): [holder: Record<string, string>, key: string][] {
  return Object.entries(json as object).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'string') return [[json as Record<string, string>, key]]
    return typeof value === 'object' && value !== null ? textsOf(value) : []
  })
}

const change = fc.oneof(
  fc.record({ kind: fc.constant('byte'), at: fc.nat(10_000), value: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut'), at: fc.nat(10_000), value: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('text'), at: fc.nat(10_000), value: fc.integer({ min: 32, max: 126 }) }),
)

function changed(text: string, { kind, at, value }: { kind: string; at: number; value: number }): string {
  if (kind === 'text') {
    const place = at % (text.length + 1)
    return text.slice(0, place) + String.fromCharCode(value) + text.slice(place + 1)
  }
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0) return `${text}!`
  const place = at % bytes.length
  if (kind === 'cut') return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + value)]).toString('base64')
  bytes[place] = (bytes[place] ?? 0) ^ value
  return bytes.toString('base64')
}

test.each([
  ['Rekor v1', { rekor: 'v1' }],
  ['Rekor v2', { rekor: 'v2' }],
] satisfies [string, Wanted][])(
  'a changed bundle with %s and a timestamp is refused with a typed error, or means the same',
  async (_, wanted) => {
    const sigstore = new TestSigstore()
    const [trust, good] = [await sigstore.trust(), await sigstore.json({ ...wanted, stampedAt: sigstore.at })]
    const { signer } = await verifySigstoreBundle(parsed(good), trust, 'ours')
    const places = textsOf(good).length
    await fc.assert(
      fc.asyncProperty(fc.nat(places - 1), change, async (place, how) => {
        const json: BundleJson = structuredClone(good)
        const [holder, key] = textsOf(json)[place] ?? [{}, '']
        holder[key] = changed(holder[key] ?? '', how)
        try {
          // Everything that the change does not affect must be the same as before.
          expect((await verifySigstoreBundle(parsed(json), trust, 'ours')).signer).toEqual(signer)
        } catch (error) {
          if (!(error instanceof ModelSealError)) throw error
        }
      }),
      { numRuns: attackRuns(50) },
    )
  },
)
