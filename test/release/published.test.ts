import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { digestsOf } from '../../scripts/release/digests.mjs'
import { checkPublished } from '../../scripts/release/published.mjs'
import { tarArchive } from '../support/tar-archive.ts'

const MANIFEST = {
  name: '@modelseal/a',
  version: '1.0.0',
  bin: { a: './bin/a.cjs' },
  scripts: { test: 'vitest' },
  dependencies: { b: '1.0.0' },
  optionalDependencies: { c: '1.0.0' },
}
const files = {
  'package/README.md': 'A',
  'package/package.json': JSON.stringify(MANIFEST),
  'package/z.js': 'z'.repeat(1_000_000),
}
const tarball = gzipSync(
  await tarArchive(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) }))),
)
const { integrity, sha1 } = digestsOf(tarball)

/** As npm publishes it. */
const DESCRIBED = { ...MANIFEST, bin: { a: 'bin/a.cjs' }, dependencies: { c: '1.0.0', b: '1.0.0' } }

/** A registry with one package, whose description is the signed one with these changes. */
async function registryThatSays(changes: object, served: Uint8Array = tarball): Promise<string> {
  const dist = { integrity, shasum: sha1, tarball: '/a.tgz' }
  const metadata = JSON.stringify({ versions: { '1.0.0': { ...DESCRIBED, dist, ...changes } } })
  const server = createServer(({ url }, response) => response.end(url === '/a.tgz' ? served : metadata))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

const check = (registry: string) => checkPublished(registry, { name: '@modelseal/a', version: '1.0.0', tarball })

test('a registry may describe a package as npm publishes it', async () => {
  await check(await registryThatSays({}))
})

test.each([
  ['another dependency', { dependencies: { ...DESCRIBED.dependencies, evil: '1.0.0' } }],
  ['another version of a dependency', { dependencies: { ...DESCRIBED.dependencies, b: 'npm:evil@1.0.0' } }],
  ['another optional dependency', { optionalDependencies: { c: '1.0.0', evil: '1.0.0' } }],
  ['a peer', { peerDependencies: { evil: '1.0.0' } }],
  ['a bundled dependency', { bundleDependencies: ['b'] }],
  ['a script that runs when it is installed', { scripts: { ...MANIFEST.scripts, postinstall: 'node evil.js' } }],
  ['another program', { bin: { a: 'bin/evil.cjs' } }],
])('refuses a registry that states %s', async (_, changes) => {
  await expect(check(await registryThatSays(changes))).rejects.toThrow(
    'the registry describes the package differently than its package.json: expected {"name":"@modelseal/a"',
  )
})

test('refuses other bytes than the signed ones', async () => {
  const other = Buffer.from(tarball)
  other[20]! ^= 1
  await expect(check(await registryThatSays({}, other))).rejects.toThrow('the registry serves another tarball')
})

test('nothing that a registry says drives a terminal', async () => {
  const says = registryThatSays({ version: '1.0.0\x1b[2J\u009b2J' })
  await expect(check(await says)).rejects.toThrow(/^the registry describes another package: [\x20-\x7e]*$/)
})
