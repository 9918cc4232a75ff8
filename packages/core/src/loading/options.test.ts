import { describe, expect, test } from 'vitest'
import { loadPolicy } from '../policy/load-policy.ts'
import { openVerifiedModel } from './open-verified-model.ts'

describe('the options of a verified load', () => {
  test.each([
    ['misspelt', { polcy: 'strict.yaml' }],
    ['an empty policy', { policy: '' }],
    ['a policy of another kind', { policy: 5 }],
    ['null as the policy', { policy: null }],
    ['an empty signature', { signature: '' }],
  ])('are refused, not ignored: %s', async (_, options) => {
    await expect(openVerifiedModel('models/vad', options as object)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test.each([new URL('https://acme.example/a.yaml?key=1'), 'https://acme.example/a.yaml?key=1'])(
    'never get a policy from elsewhere: %s',
    async (policy) => {
      const message =
        'Invalid value for option "policy". Expected a path or a "file:" URL, found "https://acme.example/a.yaml".'
      for (const refused of [openVerifiedModel('models/vad', { policy }), loadPolicy(policy)])
        await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message })
    },
  )

  test.each([undefined, 7, ''])('require a path: %j', async (path) => {
    await expect(openVerifiedModel(path as string, {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
