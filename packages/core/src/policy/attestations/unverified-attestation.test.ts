import { expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { Effort } from '../../verification/effort.ts'
import { readUnverified } from './unverified-attestation.ts'

const model = { rootDigest: 'a'.repeat(64), identity: 'b'.repeat(64) }

test('a file that could not be read is reported as it is, and counts for nothing', async () => {
  const error = new ModelSealError('FILE_UNREADABLE', 'Cannot read the file "vad.attestation".', {
    file: 'vad.attestation',
  })
  const { verdict, bundle, fault } = await readUnverified({ path: 'vad.attestation', error }, model, new Effort())
  expect(bundle).toBeUndefined()
  expect(fault).toBe(error)
  expect(verdict).toMatchObject({
    path: 'vad.attestation',
    reason: { code: 'FILE_UNREADABLE', file: 'vad.attestation' },
  })
})

test('a mistake in the program is no verdict', async () => {
  const error = new TypeError('undefined is not a function') as never
  await expect(readUnverified({ path: 'x', error }, model, new Effort())).rejects.toThrow(TypeError)
})
