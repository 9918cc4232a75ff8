import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../errors.ts'
import { isPartialDownload } from '../manifest/plain-names.ts'
import { HEAD_BYTES, isLfsPointer } from '../manifest/plain-content.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { nextTurn } from '../source/aborted.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { READ_ONLY } from '../source/read-small-file.ts'

/** Something about a model that was signed which its signer hardly meant. */
export interface SigningWarning {
  /** Stable. */
  code: 'GIT_LFS_POINTER' | 'PARTIAL_DOWNLOAD'
  /** A sentence, and what to do. */
  message: string
  /** Names relative to the model. */
  files: string[]
}

/**
 * Warns of files that stand for others: pointers of Git LFS, and downloads that have not finished. They are signed as they are,
 * because a model may really contain them.
 */
export async function doubtfulFiles(
  source: LocalSource,
  { files }: Manifest,
  signal?: AbortSignal,
): Promise<SigningWarning[]> {
  const names = [...files.keys()]
  const pointers: string[] = []
  let opened = 0
  for (const [index, name] of likelyFirst(names).slice(0, MOST_FILES).entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await nextTurn(signal)
    const path = source.kind === 'file' ? source.path : join(source.path, name)
    if (!mayBePointer(path)) continue
    if (++opened > MOST_OPENED) break
    if (startsAsPointer(path)) pointers.push(shownName(source, name))
  }
  const partial = names.filter(isPartialDownload)
  return [...warning('GIT_LFS_POINTER', pointers, POINTER), ...warning('PARTIAL_DOWNLOAD', partial, PARTIAL)]
}

/** No more are looked at, and opened, so that signing a model of many small files takes no longer. */
const MOST_FILES = 2_000
const MOST_OPENED = 200
const FILES_PER_TURN = 200

/** What repositories keep in Git LFS before anything else. */
const WEIGHTS = /\.(?:safetensors|bin|onnx|onnx_data|gguf|pt|pth|ckpt|h5|keras|tflite|pb|npz|msgpack|model|data)$/i

function likelyFirst(names: readonly string[]): string[] {
  if (names.length <= MOST_OPENED) return [...names]
  return [...names.filter((name) => WEIGHTS.test(name)), ...names.filter((name) => !WEIGHTS.test(name))]
}

const POINTER = {
  one: 'is a pointer of Git LFS, so the content that it stands for was not signed',
  many: 'are pointers of Git LFS, so the content that they stand for was not signed',
  mend: 'Run "git lfs pull", and sign again.',
}
const PARTIAL = {
  one: 'has the name of a download that has not finished',
  many: 'have the names of downloads that have not finished',
  mend: 'Finish or remove it, and sign again.',
}

/** More names would hide the sentence. */
const LISTED = 5

function warning(code: SigningWarning['code'], files: string[], words: typeof POINTER): SigningWarning[] {
  if (files.length === 0) return []
  const names = files
    .slice(0, LISTED)
    .map((name) => shown(name))
    .join(', ')
  const more = files.length > LISTED ? ` and ${files.length - LISTED} more` : ''
  return [{ code, files, message: `${names}${more} ${files.length === 1 ? words.one : words.many}. ${words.mend}` }]
}

/** A single file goes by no name in its manifest. */
function shownName({ kind, name: own }: LocalSource, name: string): string {
  return kind === 'file' ? own : name
}

/** Git LFS limits its pointers to 1024 bytes. What cannot be read has been signed, so it changed since. */
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
