// Checks that a registry serves the tarball that was signed.
import { digestsOf } from './digests.mjs'
import { same, UnverifiedRelease } from './statements.mjs'

/** Far more than any package of this project has. */
const MOST_BYTES = 64 << 20

/** @param registry URL */
export async function checkPublished(registry, { name, version, digests }) {
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
  const served = await fetched(new URL(published.dist.tarball, base).href)
  same('the registry serves another tarball than the signed one', digests.integrity, digestsOf(served).integrity)
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
