import { expect, test } from 'vitest'
import { isPrivate } from './addresses.ts'

test.each([
  ['127.0.0.1', true],
  ['10.1.2.3', true],
  ['169.254.169.254', true],
  ['100.100.0.1', true],
  ['255.255.255.255', true],
  ['[::1]', true],
  ['[::]', true],
  ['[fd00::1]', true],
  ['[fe80::1]', true],
  ['[::ffff:10.0.0.1]', true],
  ['[64:ff9b::a00:1]', true],
  ['[2002:a00:1::]', true],
  ['localhost', true],
  ['93.184.216.34', false],
  ['[2606:4700::1111]', false],
  ['[64:ff9b::5db8:d822]', false],
])('%s is an address of a private network: %s', async (host, expected) => {
  expect(await isPrivate(host)).toBe(expected)
})
