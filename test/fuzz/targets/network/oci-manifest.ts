import { artifactFrom } from '../../../../packages/hub/src/oci/artifact.ts'
import { isDigest, type Digest } from '../../../../packages/hub/src/oci/digest.ts'
import { nextPage } from '../../../../packages/hub/src/oci/next-page.ts'
import { parseOciReference } from '../../../../packages/hub/src/oci/reference.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest
const REFERENCE = parseOciReference('oci://registry.example/models/vad:1.0')
const BASE = 'https://registry.example/v2/models/vad/'
const LAYER = { mediaType: 'application/octet-stream', digest: DIGEST, size: 5 }
const titled = (title: string) => ({ ...LAYER, annotations: { 'org.opencontainers.image.title': title } })

const target: Target = {
  dictionary: [
    DIGEST,
    'org.cncf.model.filepath',
    'org.opencontainers.image.title',
    'io.deis.oras.content.unpack',
    'application/vnd.cncf.model.weight.v1.tar+gzip',
    'application/vnd.cncf.model.weight.v1.raw',
    '"__proto__":',
    '; rel="next"',
  ],
  seeds: () =>
    texts(
      JSON.stringify({ schemaVersion: 2, layers: [titled('a.onnx'), titled('b/c.bin'), LAYER] }),
      JSON.stringify({
        schemaVersion: 2,
        layers: [
          {
            ...LAYER,
            mediaType: 'application/vnd.cncf.model.weight.v1.tar+gzip',
            annotations: { 'org.cncf.model.filepath': 'x' },
          },
          { ...titled('dir'), annotations: { ...titled('dir').annotations, 'io.deis.oras.content.unpack': 'true' } },
        ],
      }),
      '</v2/models/vad/tags/list?last=b>; rel="next"',
      '</v2/models/vad/.x/../../other/tags/list>; rel="next"',
      '<https://evil.example/v2/models/vad/x>; rel=next, <tags/list?x>; rel="next"',
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    checkNext(text)
    const content = jsonOf(text)
    const manifest = { digest: DIGEST, mediaType: 'application/vnd.oci.image.manifest.v1+json', content }
    const read = readOrRefused(() => artifactFrom(manifest, REFERENCE))
    if (read === REFUSED) return
    const { layers } = content as { layers: { digest: string; size: number; annotations?: Record<string, string> }[] }
    for (const [name, { digest, size }] of read.files) {
      const isStated = layers.some(
        (layer) =>
          layer.digest === digest && layer.size === size && Object.values(layer.annotations ?? {}).includes(name),
      )
      if (!isStated || !isDigest(digest)) throw new Error(`No layer is ${JSON.stringify(name)}.`)
    }
    const names = [...read.files.keys()].map((name) => name.normalize('NFC').toLowerCase())
    mustEqual(new Set(names).size, names.length, 'The number of different names')
    for (const { root } of read.archives)
      if (root !== undefined && /^\/|(?:^|\/)\.{0,2}(?:\/|$)/.test(root))
        throw new Error(`The root is ${JSON.stringify(root)}.`)
  },
}
export default target

/** Credentials go with the request for the next page. */
function checkNext(link: string): void {
  const next = nextPage(link, BASE, 'tags/list')
  if (next !== undefined && !isBelow(new URL(BASE + next))) throw new Error(`The next page is ${next}.`)
}

/** Not every version of Node.js resolves all components of a path. */
function isBelow({ href, pathname }: URL): boolean {
  return href.startsWith(BASE) && !pathname.split('/').some((part) => part === '.' || part === '..')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
