import { lstat } from 'node:fs/promises'
import { LARGEST_BUNDLE_BYTES } from '../bundle/bundle.ts'
import { readBundle } from '../bundle/read-bundle.ts'
import { statementSteps } from '../bundle/statement.ts'
import { ModelSealError, shown } from '../errors.ts'
import { ignoring } from '../manifest/ignores.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { findFiles } from '../source/find-files.ts'
import type { LocalSource } from '../source/local-source.ts'
import { inTurns } from '../source/turns.ts'

/** The only copy of another model's signature must not be lost to a path that two models share. */

/**
 * Refuses to replace the bundle of another model, that is, one with another subject name and no file in common. This is called
 * before anything is hashed, so it goes by names alone.
 *
 * @param path of the bundle to be written
 * @throws {@link ModelSealError} `SIGNATURE_EXISTS`
 */
export async function refuseOtherModel(path: string, source: LocalSource, { ignorePaths = [], allowSymlinks }: Named) {
  const there = await bundleAt(path)
  if (there === undefined || there.modelName === source.name) return
  const files = await findFiles(source, { ignored: ignoring(ignorePaths), followLinks: allowSymlinks })
  if (!files.some(({ name }) => there.files.has(name))) throw ofAnotherModel(path, there.modelName, source.name)
}

interface Named {
  ignorePaths?: readonly string[]
  allowSymlinks: boolean
}

/**
 * As {@link refuseOtherModel}, for a model that was hashed: two models may both have a `config.json`.
 *
 * @throws {@link ModelSealError} `SIGNATURE_EXISTS`
 */
export async function refuseOtherManifest(path: string, manifest: Manifest): Promise<void> {
  const there = await bundleAt(path)
  if (there === undefined || there.modelName === manifest.modelName || sharesFile(there, manifest)) return
  throw ofAnotherModel(path, there.modelName, manifest.modelName)
}

/** By content, where both were hashed in the same way; else by name. */
function sharesFile(there: Manifest, manifest: Manifest): boolean {
  const [a, b] = [there.serialization, manifest.serialization]
  if (a.method !== b.method || a.hashType !== b.hashType || a.shardSize !== b.shardSize)
    return [...manifest.files.keys()].some((name) => there.files.has(name))
  const digests = new Set(there.resources.map(({ digest }) => digest))
  return manifest.resources.some(({ digest }) => digests.has(digest))
}

/** The manifest that the bundle at a path claims; undefined if there is no bundle to replace. */
async function bundleAt(path: string): Promise<Manifest | undefined> {
  const there = await lstat(path).catch(() => undefined)
  // A link is replaced, and what it leads to stays. An empty file is what mktemp makes.
  if (!there || there.isSymbolicLink() || there.size === 0) return undefined
  try {
    const { envelope } = await readBundle(path, { maxBytes: LARGEST_BUNDLE_BYTES })
    return (await inTurns(statementSteps(envelope.payload))).manifest
  } catch (cause) {
    if (!(cause instanceof ModelSealError)) throw cause
    throw new ModelSealError(
      'SIGNATURE_EXISTS',
      `Cannot write the signature to ${shown(path)}: the bundle there is not that of a model, or cannot be read.`,
      { file: path, hint: HINT, cause },
    )
  }
}

const HINT =
  'Give another path for this signature (--signature). To replace the file, use --force on the command line, or { overwrite: "always" } in a program.'

function ofAnotherModel(path: string, found: string, expected: string): ModelSealError {
  return new ModelSealError(
    'SIGNATURE_EXISTS',
    `Cannot write the signature to ${shown(path)}: the signature of another model is there.`,
    { file: path, expected: `a signature of ${shown(expected)}`, found: `one of ${shown(found)}`, hint: HINT },
  )
}
