import { expect, test, vi } from 'vitest'
import * as attested from '../../attestation/statement.ts'
import * as reading from '../../bundle/read-bundle.ts'
import * as signed from '../../bundle/statement.ts'
import { ModelSealError } from '../../errors.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { scratch } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { inspectModel } from './inspect-model.ts'
import { readAttestations } from './read-attestations.ts'

vi.mock('../../bundle/read-bundle.ts', async (original) => {
  const real = await original<typeof reading>()
  return { ...real, readBundle: vi.fn(real.readBundle) }
})
vi.mock('../../bundle/statement.ts', async (original) => {
  const real = await original<typeof signed>()
  return { ...real, statementSteps: vi.fn(real.statementSteps) }
})
vi.mock('../../attestation/statement.ts', async (original) => {
  const real = await original<typeof attested>()
  return { ...real, attestationSteps: vi.fn(real.attestationSteps) }
})

const ERRORS = [new ModelSealError('ABORTED', 'No.'), new TypeError('a mistake')]

test.each(ERRORS)('an abort or a mistake while a bundle is read is no fault of the bundle: %s', async (error) => {
  vi.mocked(reading.readBundle).mockRejectedValueOnce(error)
  await expect(inspectModel(`${scratch({ 'm.sig': '{}' })}/m.sig`)).rejects.toBe(error)
})

test('nor is one while an attestation, or what it is about, is read', async () => {
  const site = await TestSite.make()
  try {
    await site.key('a')
    await site.signedModel('m', { 'weights.bin': 'x' })
    const signer = await keySigner({ privateKey: site.file('a.key') })
    await attestModel(site.file('m'), { signer, type: 'https://example.org/review/v1', predicate: {} })
    for (const error of ERRORS)
      for (const read of [signed.statementSteps, attested.attestationSteps]) {
        vi.mocked<(payload: Buffer) => unknown>(read).mockImplementationOnce(() => {
          throw error
        })
        await expect(readAttestations(site.file('m'))).rejects.toBe(error)
      }
    expect(await readAttestations(site.file('m'))).toMatchObject([{ isAbout: true }])
  } finally {
    await site.remove()
  }
})
