import { join } from 'node:path'
import { expect, test } from 'vitest'
import { authority, pemOf, revocationList } from '../testing/authority.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { parseRevocationLists, readRevocationLists } from './revocation-list.ts'

const root = await authority('Root')
const list = await revocationList(root)
const PEM = pemOf({ der: list }, 'X509 CRL')

test('reads the lists of a PEM file, and the list of a DER file', async () => {
  expect(parseRevocationLists(Buffer.from(pemOf(root) + PEM + PEM), 'a.pem')).toEqual([list, list])
  expect(parseRevocationLists(list, 'a.crl')).toEqual([list])
  const directory = scratch({
    'a.pem': PEM,
    huge: Buffer.alloc(6 * 1024 * 1024 + 1),
    large: Buffer.alloc(6 * 1024 * 1024),
  })
  expect(await readRevocationLists(join(directory, 'a.pem'))).toEqual([list])
  expect(await readRevocationLists(join(directory, 'large'))).toHaveLength(1)
  await expect(readRevocationLists(join(directory, 'huge'))).rejects.toThrow(refusal('FILE_TOO_LARGE'))
  await expect(readRevocationLists(join(directory, 'none'))).rejects.toThrow(
    refusal('FILE_NOT_FOUND', { message: expect.stringContaining('revocation list') }),
  )
})

test('refuses a PEM file without a complete list', () => {
  const wrong = refusal('CRL_INVALID', {
    file: 'a.pem',
    expected: 'complete blocks "-----BEGIN X509 CRL-----"',
    found: '"CERTIFICATE"',
    message: expect.stringContaining('complete revocation list'),
    hint: undefined,
  })
  expect(() => parseRevocationLists(Buffer.from(pemOf(root)), 'a.pem')).toThrow(wrong)
  expect(() => parseRevocationLists(Buffer.from(pemOf(root) + PEM.slice(0, -20)), 'a.pem')).toThrow(wrong)
  const key = pemOf({ der: Buffer.from('key') }, 'PUBLIC KEY')
  expect(() => parseRevocationLists(Buffer.from(key), 'a.pem')).toThrow(
    refusal('CRL_INVALID', { found: '"PUBLIC KEY"', hint: undefined }),
  )
})
