import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What decides which file a name means: the options of the process that is started. */
export interface Surroundings {
  /** `PATH` of the child; undefined where it has none. */
  path: string | undefined
  /** Working directory of the child, where it is given one. */
  cwd?: string | URL | undefined
}

/** True for what starts the executable of this process, by whatever path, name, link or hard link. */
export function isThisNode(command: unknown, { path, cwd = '' }: Surroundings): boolean {
  if (command === process.execPath) return true
  if (typeof command !== 'string' || command === '') return false
  const directory = resolve(typeof cwd === 'string' ? cwd : fileURLToPath(cwd))
  const places = HAS_DIRECTORY.test(command) ? [''] : directoriesOf(path)
  const files = places.flatMap((place) => namesOf(command).map((name) => resolve(directory, join(place, name))))
  const found = files.find(isExecutable)
  return found !== undefined && isSameFile(found, process.execPath)
}

/** The value of `PATH` among variables in the form `NAME=value`. */
export function pathIn(pairs: readonly string[]): string | undefined {
  const pair = pairs.find((text) => PATH_PAIR.test(text))
  return pair?.slice('PATH='.length)
}

const WINDOWS = process.platform === 'win32'
const HAS_DIRECTORY = WINDOWS ? /[\\/:]/ : /\//
const PATH_PAIR = WINDOWS ? /^PATH=/i : /^PATH=/
/** Where a child without `PATH` is looked for: glibc, macOS and musl together. */
const DEFAULT_PATH = ['/usr/local/bin', '/bin', '/usr/bin'].join(delimiter)

function namesOf(command: string): string[] {
  return WINDOWS ? [command, `${command}.com`, `${command}.exe`] : [command]
}

/** An empty part stands for the working directory, in which Windows looks in any case. */
function directoriesOf(path: string | undefined): string[] {
  const parts = (path ?? DEFAULT_PATH).split(delimiter)
  return WINDOWS ? ['', ...parts] : parts
}

/** The search goes on after a directory, and after a file that cannot be run. */
function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

function isSameFile(one: string, other: string): boolean {
  try {
    const [a, b] = [one, other].map((file) => statSync(file, { bigint: true }))
    return a?.dev === b?.dev && a?.ino === b?.ino
  } catch {
    return false
  }
}
