import { expect, test } from 'vitest'
import { authority, signingLeaf } from '../../testing/authority.ts'
import { certificateFacts } from './certificate-facts.ts'

test('the facts of a certificate are read once, by its bytes', async () => {
  const { der } = await signingLeaf(await authority('Root'))
  const facts = await certificateFacts(der)
  expect(await certificateFacts(Buffer.from(der))).toBe(facts)
  const name = der.indexOf('Signer')
  der.write('Sinner', name)
  expect((await certificateFacts(der)).names).toContain('CN=Sinner')
})

test('the bytes that count are those at the time of the call', async () => {
  const { der } = await signingLeaf(await authority('Root'))
  const original = Buffer.from(der)
  const reading = certificateFacts(der)
  der.write('Sinner', der.indexOf('Signer'))
  expect((await reading).names).toContain('CN=Signer')
  expect((await certificateFacts(original)).names).toContain('CN=Signer')
})
