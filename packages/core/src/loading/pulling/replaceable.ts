import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { readBundle } from '../../bundle/read-bundle.ts'
import { statementSteps } from '../../bundle/statement.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { mayBeBundle } from '../../signing/models/model-to-sign.ts'
import { CLAIMS_NAME } from '../../source/claims-name.ts'
import { inTurns } from '../../source/turns.ts'

/**
 * Everything in a directory is removed when it is replaced, so that it may contain only a model that can be fetched again: its files, its bundles
 * and what belongs to them. A bundle alone proves nothing, because `sign` writes it to the working directory by default.
 *
 * @param harmless names that do not count
 * @throws {@link ModelSealError} `DESTINATION_REFUSED` for a directory that is neither empty nor a model
 */
export async function checkReplaceable(path: string, harmless: ReadonlySet<string>): Promise<void> {
  if (!existsSync(path)) return
  const names = (await readdir(path)).filter((name) => !harmless.has(name))
  if (names.length === 0) return
  // Signatures leave it out, and it may be the only copy of what is in it.
  if (names.includes('.git')) throw destinationRefused(path, 'a Git repository, which would be removed')
  const isHubCache = names.includes('.cache') && (await isOfHub(join(path, '.cache')))
  if (isHubCache && names.length === 1) return
  const signed = await signedNames(path, names)
  if (signed.size === 0) throw destinationRefused(path, 'a directory that is not empty and has no signature bundle')
  const foreign = names.filter((name) => !signed.has(name) && !BESIDE.has(name) && !(isHubCache && name === '.cache'))
  if (foreign.length === 0) return
  const more = foreign.length > MOST_NAMED ? ` and ${foreign.length - MOST_NAMED} more` : ''
  const listed = foreign.slice(0, MOST_NAMED).map(shown).join(', ')
  throw destinationRefused(path, `${listed}${more}, which no signature bundle in it covers`)
}

/** A directory may have any number of files with the name of a bundle. */
const MOST_BUNDLES = 32
const MOST_NAMED = 3
/** What a download from a hub leaves, and where attestations are kept. */
const BESIDE: ReadonlySet<string> = new Set(['.gitattributes', '.gitignore', '.github', CLAIMS_NAME])

/** Whether a directory of caches has only that of Hugging Face. */
async function isOfHub(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).join() === 'huggingface'
  } catch {
    // A file, or a directory that cannot be read. Then nobody knows what would be removed.
    return false
  }
}

/** The entries of the directory that its bundles sign, and the bundles. Whose signatures they are does not matter here. */
async function signedNames(path: string, names: readonly string[]): Promise<Set<string>> {
  const signed = new Set<string>()
  for (const name of names.filter((each) => mayBeBundle(each) || each.endsWith('.sig')).slice(0, MOST_BUNDLES)) {
    const files = await filesOf(join(path, name))
    if (files === undefined) continue
    signed.add(name)
    for (const file of files) signed.add(file.split('/', 1)[0] ?? file)
    // About a single file.
    if (files.length === 1) signed.add(`${files[0]}.${CLAIMS_NAME}`)
  }
  return signed
}

/** @returns undefined if this is not the bundle of a model */
async function filesOf(path: string): Promise<string[] | undefined> {
  try {
    const { envelope } = await readBundle(path, { maxBytes: LARGEST_BUNDLE_BYTES })
    const { manifest } = await inTurns(statementSteps(envelope.payload))
    return [...manifest.fileNames()]
  } catch (error) {
    if (error instanceof ModelSealError) return undefined
    throw error
  }
}

const REPLACE_HINT =
  'Give another directory. To replace the directory with everything in it, use --force, or { force: true }.'

export function destinationRefused(path: string, found: string, hint = REPLACE_HINT): ModelSealError {
  return new ModelSealError('DESTINATION_REFUSED', `Cannot pull a model to ${shown(path)}: something else is there.`, {
    file: path,
    expected: 'a new directory, an empty one, or a signed model, which is replaced',
    found,
    hint,
  })
}
