// Writes the image as an OCI image layout (image-spec 1.1), without a container engine:
//   node container/image.mjs DIRECTORY
// Everything that is not in the files comes from the last stage of the Dockerfile. The same files make the same bytes.
import { createHash } from 'node:crypto'
import {
  createReadStream,
  createWriteStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished, pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { lastStage } from './dockerfile.mjs'
import { HOMES, makeRoot, USER } from './root.mjs'

const DOCKERFILE = new URL('../Dockerfile', import.meta.url)
const TYPES = {
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
}

/** @param layout a directory that does not exist or is empty */
export async function writeImage(layout, { version, revision }) {
  const root = mkdtempSync(join(tmpdir(), 'modelseal-image-'))
  try {
    makeRoot(root)
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
    const { layer, diffId } = await writeLayer(root, layout)
    const config = lastStage(readFileSync(DOCKERFILE, 'utf8'), { VERSION: version, REVISION: revision })
    const image = {
      architecture: arch() === 'x64' ? 'amd64' : arch(),
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created_by: 'container/image.mjs' }],
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: TYPES.manifest,
      config: writeJson(layout, TYPES.config, image),
      layers: [layer],
      annotations: config.Labels,
    }
    const manifests = [writeJson(layout, TYPES.manifest, manifest)]
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests }))
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
    return manifests[0].digest
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** Files by name, at the beginning of time, of root or of the user: nothing of this machine and this hour. */
async function writeLayer(root, layout) {
  const tar = pack()
  const uncompressed = createHash('sha256')
  const compressed = createHash('sha256')
  const file = join(layout, 'layer')
  const written = pipeline(tar, tap(uncompressed), createGzip({ level: 6 }), tap(compressed), createWriteStream(file))
  for (const name of namesIn(root)) await addEntry(tar, root, name)
  tar.finalize()
  await written
  const { size } = lstatSync(file)
  const digest = compressed.digest('hex')
  renameSync(file, join(layout, 'blobs/sha256', digest))
  return {
    layer: { mediaType: TYPES.layer, digest: `sha256:${digest}`, size },
    diffId: `sha256:${uncompressed.digest('hex')}`,
  }
}

async function addEntry(tar, root, name) {
  const path = join(root, name)
  const stat = lstatSync(path)
  const owner = HOMES.includes(name) ? USER : 0
  const header = { name, mtime: new Date(0), uid: owner, gid: owner, mode: modeOf(name, stat) }
  if (stat.isDirectory()) tar.entry({ ...header, type: 'directory' })
  else if (stat.isSymbolicLink()) tar.entry({ ...header, type: 'symlink', linkname: readlinkSync(path) })
  else {
    const entry = tar.entry({ ...header, type: 'file', size: stat.size })
    createReadStream(path).pipe(entry)
    await finished(entry)
  }
}

/** Whatever the umask was here. */
function modeOf(name, stat) {
  if (name === 'tmp') return 0o1777
  if (stat.isSymbolicLink()) return 0o777
  return stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644
}

function namesIn(root, directory = '') {
  return readdirSync(join(root, directory), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`
      return entry.isDirectory() ? [name, ...namesIn(root, name)] : [name]
    })
}

function tap(hash) {
  return async function* hashed(chunks) {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }
}

function writeJson(layout, mediaType, value) {
  const content = JSON.stringify(value)
  const digest = createHash('sha256').update(content).digest('hex')
  writeFileSync(join(layout, 'blobs/sha256', digest), content)
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(content) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [layout] = process.argv.slice(2)
  if (layout === undefined) throw new Error('Usage: node container/image.mjs DIRECTORY')
  const { version } = JSON.parse(readFileSync(new URL('../packages/cli/package.json', import.meta.url), 'utf8'))
  console.log(await writeImage(layout, { version, revision: process.env.REVISION ?? '' }))
}
