import { expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { refusal } from '../../testing/scratch.ts'
import { revokedPackage } from './revoked-package.ts'
import { Revocations } from './revocations.ts'

async function revoking(...packages: string[]): Promise<Revocations> {
  return withLibraries(() => {
    const revocations = new Revocations()
    revocations.add({ packages })
    return revocations
  })
}

test('the library that reads package URLs is loaded when it is needed first', async () => {
  expect(await revokedPackage('pkg:huggingface/acme/vad', new Revocations())).toBeUndefined()
})

test('a model is looked up by the package URL that its source states', async () => {
  const revocations = await revoking('pkg:huggingface/acme/vad')
  expect((await revokedPackage('pkg:huggingface/acme/vad@1', revocations))?.code).toBe('MODEL_REVOKED')
  expect(await revokedPackage('pkg:huggingface/acme/other@1', revocations)).toBeUndefined()
})

test('a source that states something else is refused, whatever is revoked', async () => {
  for (const revocations of [new Revocations(), await revoking('pkg:huggingface/acme/vad')])
    await expect(revokedPackage('hf://acme/vad', revocations)).rejects.toEqual(
      refusal('SOURCE_FAILED', {
        expected: 'a package URL, such as pkg:huggingface/acme/vad@COMMIT',
        found: expect.stringMatching(/^"hf:\/\/acme\/vad" \(.+\)$/) as string,
      }),
    )
})
