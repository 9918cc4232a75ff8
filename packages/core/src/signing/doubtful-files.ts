import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../errors.ts'
import { isPartialDownload } from '../manifest/plain-names.ts'
import { HEAD_BYTES, isLfsPointer } from '../manifest/plain-content.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { nextTurn } from '../source/aborted.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { READ_ONLY } from '../source/read-small-file.ts'

/** Something in a signed model that its signer probably did not intend. */
export interface SigningWarning {
  /** Stable. */
  code: 'GIT_LFS_POINTER' | 'PARTIAL_DOWNLOAD' | 'CROISSANT_DIGEST' | 'CROISSANT_FILE' | 'CROISSANT_UNREADABLE'
  /** A sentence, followed by what to do. */
  message: string
  /** Names relative to the model. */
  files: string[]
  /** With `CROISSANT_DIGEST`: the digests of these files. */
  digests?: readonly StatedDigest[]
}

/** A SHA-256 digest that a document of a dataset states, and that of the signed content. */
export interface StatedDigest {
  /** Relative to the dataset. */
  file: string
  /** As the document states it. */
  stated: string
  /** In lowercase hex. */
  signed: string
}

/**
 * Warns about Git LFS pointers and unfinished downloads. They are signed as they are, because a model may really
 * contain them.
 */
export async function doubtfulFiles(
  source: LocalSource,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<SigningWarning[]> {
  const { likely, partial } = candidatesAmong(manifest.fileNames())
  const pointers: string[] = []
  let opened = 0
  for (const [index, name] of likely.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await nextTurn(signal)
    const path = source.kind === 'file' ? source.path : join(source.path, name)
    if (!mayBePointer(path)) continue
    if (++opened > MOST_OPENED) break
    if (startsAsPointer(path)) pointers.push(shownName(source, name))
  }
  return [...warning('GIT_LFS_POINTER', pointers, POINTER), ...warning('PARTIAL_DOWNLOAD', partial, PARTIAL)]
}

/** The warning about files that are known to be Git LFS pointers. */
export function pointerWarning(files: readonly string[]): SigningWarning[] {
  return warning('GIT_LFS_POINTER', [...files], POINTER)
}

/** Limits on the files to look at and to open, so that signing a model of many small files does not take longer. */
const MOST_WEIGHTS = 500
const MOST_OTHERS = 200
const MOST_OPENED = 200
const FILES_PER_TURN = 200

/** Extensions of files that repositories usually store in Git LFS. */
const WEIGHTS = new Set(
  '.safetensors .bin .onnx .onnx_data .gguf .pt .pth .ckpt .h5 .keras .tflite .pb .npz .msgpack .model .data'.split(
    ' ',
  ),
)

/** The files that may be pointers, the likeliest first, and those whose download may not have finished. */
function candidatesAmong(names: Iterable<string>): { likely: string[]; partial: string[] } {
  const weights: string[] = []
  const others: string[] = []
  const partial: string[] = []
  for (const name of names) {
    if (WEIGHTS.has(name.slice(name.lastIndexOf('.')).toLowerCase())) weights.push(name)
    else {
      if (others.length < MOST_OTHERS) others.push(name)
      if (isPartialDownload(name)) partial.push(name)
    }
  }
  return { likely: [...weights.slice(0, MOST_WEIGHTS), ...others], partial }
}

const POINTER = {
  one: 'is a Git LFS pointer, so the file that it points to was not signed',
  many: 'are Git LFS pointers, so the files that they point to were not signed',
  remedy: 'Run "git lfs pull", and sign again.',
}
const PARTIAL = {
  one: 'has the name of an unfinished download',
  many: 'have the names of unfinished downloads',
  remedy: 'Finish or remove it, and sign again.',
}

/** Maximum number of names in the message. */
const LISTED = 5

function warning(code: SigningWarning['code'], files: string[], words: typeof POINTER): SigningWarning[] {
  if (files.length === 0) return []
  const names = namesForMessage(files)
  return [{ code, files, message: `${names} ${files.length === 1 ? words.one : words.many}. ${words.remedy}` }]
}

/** Names for a message. */
export function namesForMessage(files: readonly string[]): string {
  const names = files.slice(0, LISTED).map((name) => shown(name))
  return `${names.join(', ')}${files.length > LISTED ? ` and ${files.length - LISTED} more` : ''}`
}

/** A single file has no name in its manifest. */
function shownName({ kind, name: own }: LocalSource, name: string): string {
  return kind === 'file' ? own : name
}

/** Git LFS limits its pointers to 1024 bytes. A file that cannot be read now has changed since it was signed. */
function mayBePointer(path: string): boolean {
  try {
    const { size } = lstatSync(path)
    return size > 0 && size <= HEAD_BYTES
  } catch {
    return false
  }
}

function startsAsPointer(path: string): boolean {
  try {
    const fd = openSync(path, READ_ONLY | constants.O_NOFOLLOW)
    try {
      const { size } = fstatSync(fd)
      if (size === 0 || size > HEAD_BYTES) return false
      const head = Buffer.alloc(size)
      return isLfsPointer(head.subarray(0, readSync(fd, head, 0, size, 0)).toString('latin1'))
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
