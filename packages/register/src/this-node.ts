import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The options of the new process that determine which file a name means. */
interface Surroundings {
  /** `PATH` of the child; undefined if it has none. */
  path: string | undefined
  /** Working directory of the child, if given. */
  cwd?: string | URL | undefined
}

/** Whether the command starts the executable of this process, by any path, name, symbolic link or hard link. */
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
/** Where a command is looked for without `PATH`: the defaults of glibc, macOS and musl combined. */
const DEFAULT_PATH = ['/usr/local/bin', '/bin', '/usr/bin'].join(delimiter)

function namesOf(command: string): string[] {
  return WINDOWS ? [command, `${command}.com`, `${command}.exe`] : [command]
}

/** An empty entry stands for the working directory, in which Windows always looks. */
function directoriesOf(path: string | undefined): string[] {
  const parts = (path ?? DEFAULT_PATH).split(delimiter)
  return WINDOWS ? ['', ...parts] : parts
}

/** The search skips directories and files that are not executable. */
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
