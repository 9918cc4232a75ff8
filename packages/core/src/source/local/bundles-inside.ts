import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { ModelSealError, shown } from '../../errors.ts'
import { throwIfAborted } from '../aborted.ts'
import type { NamePattern } from '../model-source.ts'

/** More than there are beside any bundle. A glob that also covers the weights would list all of them. */
const MAX_ENTRIES = 10_000
const MAX_DIRECTORIES = 1_000

/**
 * Lists the files in a directory that match one of the globs, ordered by code points. Links to directories are not
 * followed, so nothing outside is found. A link to a file may be a bundle.
 *
 * @param directory absolute
 * @throws {@link ModelSealError} `MODEL_TOO_LARGE` if there are too many entries; `ABORTED`
 */
export async function bundlesInside(
  directory: string,
  globs: readonly NamePattern[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const names = new Set<string>()
  const walk: Walk = { directory, names, entries: 0, directories: 0, signal }
  for (const pattern of globs) {
    const { spelled, depths } = pattern
    const matches = (name: string) => pattern.matches(name)
    for (const [index, components] of spelled.entries()) {
      const wild = components.indexOf(undefined)
      const prefix = components.slice(0, wild < 0 ? -1 : Math.min(wild, components.length - 1)) as string[]
      if (!(await isDirectoryPath(directory, prefix))) continue
      if (wild >= 0) await search(walk, prefix, { matches, depth: depths[index] ?? 0 })
      else if (await isNoDirectory(`${directory}/${components.join('/')}`)) names.add(components.join('/'))
    }
  }
  return [...names].sort(byCodePoints)
}

/** Compares names by the bytes of their UTF-8 encoding. */
export function byCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

interface Walk {
  directory: string
  names: Set<string>
  entries: number
  directories: number
  signal: AbortSignal | undefined
}

async function search(
  walk: Walk,
  start: readonly string[],
  { matches, depth }: Pick<NamePattern, 'matches'> & { depth: number },
): Promise<void> {
  const stack = [start]
  for (let place = stack.pop(); place; place = stack.pop()) {
    throwIfAborted(walk.signal)
    if (++walk.directories > MAX_DIRECTORIES) throw tooMuch(walk.directory)
    for await (const entry of entriesOf([walk.directory, ...place].join('/'))) {
      if (++walk.entries > MAX_ENTRIES) throw tooMuch(walk.directory)
      const inside = [...place, entry.name]
      if (entry.isDirectory()) {
        if (inside.length < depth) stack.push(inside)
      } else if (matches(inside.join('/'))) walk.names.add(inside.join('/'))
    }
  }
}

/** Empty for a directory that cannot be listed. */
async function* entriesOf(path: string): AsyncGenerator<Dirent> {
  const directory = await opendir(path, { bufferSize: 256 }).catch(() => undefined)
  if (directory) yield* directory
}

async function isDirectoryPath(directory: string, components: readonly string[]): Promise<boolean> {
  let path = directory
  for (const component of components) {
    path += `/${component}`
    const stat = await lstat(path).catch(() => undefined)
    if (!stat?.isDirectory()) return false
  }
  return true
}

async function isNoDirectory(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined)
  return stat !== undefined && !stat.isDirectory()
}

function tooMuch(directory: string): ModelSealError {
  return new ModelSealError('MODEL_TOO_LARGE', `Cannot look for bundles in ${shown(directory)}: too many entries.`, {
    file: directory,
    expected: `at most ${MAX_ENTRIES} files and ${MAX_DIRECTORIES} directories where the rule looks for bundles`,
    hint: 'Name the directory of the bundles in the rule, as in "bundle: signatures/*.sig".',
  })
}
