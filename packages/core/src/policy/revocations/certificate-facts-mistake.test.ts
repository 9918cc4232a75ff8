import { expect, test, vi } from 'vitest'
import { authority, signingLeaf } from '../../testing/authority.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { certificateFacts } from './certificate-facts.ts'

vi.mock('../../x509/public-key.ts', { spy: true })

test('a programming error is not taken for a key that cannot sign models', async () => {
  const { der } = await signingLeaf(await authority('Root'))
  vi.mocked(publicKeyOf).mockImplementationOnce(() => {
    throw new TypeError('ours')
  })
  await expect(certificateFacts(der)).rejects.toThrow(TypeError)
})
