import { chmodSync, closeSync, constants, copyFileSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { Target } from '../../source/private/partial-file.ts'
import type { Contents, Placement } from '../../manifest/contents.ts'
import { errno } from '../../source/file-errors.ts'
import { checkUnchanged, openListed } from '../../source/local/open-file.ts'
import { identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { procFile } from '../../source/proc-file.ts'
import { copyHint } from '../../source/private/copy-failure.ts'
import { writeFailed } from '../../source/write-file.ts'

/** Files on this machine that were found, and are checked when they are placed. */
export type FilesOnDisk = Pick<Contents, 'file' | 'isChecked' | 'check' | 'replace'>

/**
 * Copies files on this machine and hashes each while copying. From then on, the copies are read. If the file system can
 * share blocks between files, a copy takes no time or space.
 *
 * @throws {@link ModelSealError} `COPY_FAILED`, and what hashing throws; all copies are removed in that case
 */
export async function copyFromDisk(onDisk: FilesOnDisk, names: readonly string[], directory: string): Promise<void> {
  try {
    await onDisk.check(placementsOf(onDisk, names, (name) => pathIn(directory, name)))
  } catch (error) {
    for (const name of names) rmSync(join(directory, name), { force: true })
    throw error
  }
  for (const name of names) {
    const path = join(directory, name)
    onDisk.replace({ name, path, identity: identityOf(lstatSync(path, { bigint: true })) })
  }
}

/**
 * Copies files on this machine into a directory of the caller, and hashes each while copying. They get their names only
 * once all of them have been checked. The model itself is still read where it is.
 *
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, and what hashing throws
 */
export async function saveFromDisk(onDisk: FilesOnDisk, targets: readonly Target[]): Promise<void> {
  const partials = new Map(targets.map(({ name, partial }) => [name, partial]))
  const pathOf = (name: string) => partials.get(name) ?? name
  try {
    for (const { partial, path } of targets) {
      rmSync(partial, { force: true })
      for (const file of [partial, path]) mkdirSync(dirname(file), { recursive: true })
    }
    await onDisk.check(placementsOf(onDisk, [...partials.keys()], pathOf))
    for (const { partial, path } of targets) {
      chmodSync(partial, 0o644)
      renameSync(partial, path)
    }
  } catch (error) {
    const isWriting = error instanceof ModelSealError ? error.code === 'COPY_FAILED' : true
    throw isWriting ? writeFailed(targets[0]?.path ?? '', SAVED, error) : error
  }
}

const SAVED = { what: 'files of the model', failed: 'FILE_WRITE_FAILED', mode: 0o666 } as const

/** Clones files as long as the file system can; the others are to be copied. */
function placementsOf(onDisk: FilesOnDisk, names: readonly string[], pathOf: (name: string) => string): Placement[] {
  let clones = true
  return names.map((name) => {
    const file = onDisk.file(name)
    const path = pathOf(name)
    const clone = clones ? cloned(file, path) : undefined
    clones = clone !== undefined
    return clone ? { file: clone, copyTo: undefined } : { file, copyTo: path }
  })
}

/** The path of a file in a private directory. Its subdirectories are created. */
export function pathIn(directory: string, name: string): string {
  const path = join(directory, name)
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return path
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `Cannot create a directory for ${shown(name)}: ${errno(cause)}.`, {
      file: name,
      hint: copyHint(cause, directory),
      cause,
    })
  }
}

/**
 * Creates a copy that shares its blocks with the original until one of them is written to.
 *
 * @returns undefined if the file system does not support that
 */
function cloned(file: SourceFile, path: string): SourceFile | undefined {
  if (process.platform !== 'linux') return undefined
  const fd = openListed(file)
  try {
    checkUnchanged(file, fd)
    copyFileSync(procFile(`self/fd/${fd}`), path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE)
    return { name: file.name, path, identity: identityOf(lstatSync(path, { bigint: true })) }
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    return undefined
  } finally {
    closeSync(fd)
  }
}
