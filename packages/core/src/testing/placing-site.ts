import { chmod } from 'node:fs/promises'
import { onTestFinished, vi } from 'vitest'
import { scratch } from './scratch.ts'
import { TestSite } from './site.ts'

/**
 * For one test: a signed model `model` whose files have the mode 0644, a policy that accepts it, and an empty directory
 * for temporary files.
 */
export async function placingSite(
  files: Record<string, string>,
  require?: object,
): Promise<{ site: TestSite; policy: string }> {
  const site = await TestSite.make()
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await site.remove()
  })
  await site.key('a')
  await site.model('model', files)
  for (const name of Object.keys(files)) await chmod(site.file('model', name), 0o644)
  await site.sign('model', 'a')
  const policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], ...(require && { require }) }],
  })
  vi.stubEnv('TMPDIR', scratch())
  return { site, policy }
}
