// Checks that a registry serves the tarball that was signed, and describes it as it is.
import { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { digestsOf } from './digests.mjs'
import { same, UnverifiedRelease } from './statements.mjs'

/** Far more than any package of this project has. */
const MOST_BYTES = 64 << 20

/**
 * @param registry URL
 * @param {{ name: string, version: string, tarball: Uint8Array }} signed
 */
export async function checkPublished(registry, { name, version, tarball }) {
  const digests = digestsOf(tarball)
  const base = registry.endsWith('/') ? registry : `${registry}/`
  const metadata = JSON.parse(new TextDecoder().decode(await fetched(`${base}${name.replace('/', '%2f')}`)))
  const published = metadata.versions?.[version]
  if (!published) throw new UnverifiedRelease(`the registry ${registry} does not have this version`)
  same(
    'the registry describes another package',
    { name, version },
    { name: published.name, version: published.version },
  )
  // Package managers trust these digests.
  same(
    'the registry states another digest than that of the signed tarball',
    digests.integrity,
    published.dist?.integrity,
  )
  same('the registry states another SHA-1 than that of the signed tarball', digests.sha1, published.dist?.shasum)
  // They also install what the registry says that a package depends on, whatever its package.json says.
  const [described, signed] = [published, await manifestIn(tarball)].map(installedBy)
  same('the registry describes the package differently than its package.json', signed, described)
  const served = await fetched(new URL(published.dist.tarball, base).href)
  same('the registry serves another tarball than the signed one', digests.integrity, digestsOf(served).integrity)
}

/** What decides which packages are installed with a package, and which programs run then and can be run later. */
function installedBy({ name, version, scripts = {}, bin = {}, ...manifest }) {
  const { dependencies, optionalDependencies, peerDependencies, bundleDependencies, bundledDependencies } = manifest
  const programs = Object.entries(typeof bin === 'string' ? { [name]: bin } : bin)
  return {
    name,
    version,
    // npm adds the optional ones to the others.
    dependencies: sorted({ ...dependencies, ...optionalDependencies }),
    optionalDependencies: sorted(optionalDependencies),
    peerDependencies: sorted(peerDependencies),
    bundled: (bundleDependencies || bundledDependencies || []).toString(),
    scripts: sorted(Object.fromEntries(INSTALLING.map((event) => [event, scripts[event]]))),
    bin: sorted(Object.fromEntries(programs.map(([program, file]) => [program, file.replace(/^\.\//, '')]))),
  }
}

const INSTALLING = ['preinstall', 'install', 'postinstall']

function sorted(object = {}) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The package.json in a tarball, whose digests were verified. */
async function manifestIn(tarball) {
  const entries = Readable.from([tarball]).pipe(createGunzip()).pipe(extract())
  for await (const entry of entries) {
    if (entry.header.name === 'package/package.json') return await json(entry)
    entry.resume()
  }
  throw new UnverifiedRelease('the signed tarball has no package.json')
}

async function fetched(url) {
  const response = await fetch(url).catch((error) => {
    throw new UnverifiedRelease(`the registry does not answer (${url}: ${error.cause?.message ?? error.message})`)
  })
  if (!response.ok) throw new UnverifiedRelease(`the registry answers ${response.status} to ${url}`)
  const chunks = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) throw new UnverifiedRelease(`${url} is larger than ${MOST_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
