import { chmodSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'

// A mock, because tests cannot rely on a network share or FUSE mount. It returns what statfs would return there.
vi.mock('../../source/local/file-system.ts', () => ({
  foreignFileSystem: () => 'a file system (0x6969) that is not known to be local',
}))

test.runIf(process.platform === 'linux')(
  'no file on a network share is loaded in place; "auto" copies it',
  async () => {
    const site = await TestSite.make()
    await site.key('a')
    await site.model('model', { weights: 'the weights' })
    chmodSync(site.file('model', 'weights'), 0o644)
    await site.sign('model', 'a')
    const policy = await site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
    })
    const gather = (reader: ModelReader) => reader.place(['weights'])
    await expect(openVerifiedModel(site.file('model'), { policy, isolation: 'in-place' }, gather)).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { found: 'a file system (0x6969) that is not known to be local' }),
    )
    await using model = await openVerifiedModel(site.file('model'), { policy }, gather)
    expect(model.gathered.isolation).toBe('copy')
    await site.remove()
  },
)
