import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'targets')

/** The files of all targets, by name. */
export const TARGETS: ReadonlyMap<string, string> = new Map(
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [basename(path, '.ts'), join(FOLDER, path)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1)),
)
