import { lstatSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { OpenedModel, PlacedFiles, Verdict } from '@modelseal/core'
import type { HandedOut, HandOuts } from '@modelseal/core/judged'
import { ModelSealError, shown } from '@modelseal/core/errors'

/**
 * What accepted loads have handed out to other code, such as Transformers.js or the program itself. A runtime accepts it again
 * by the very buffer or path, if it has not changed.
 */
const buffers = new WeakMap<ArrayBufferLike, HandedOutFile>()
const places = new Map<string, PlacedFile>()

/** A file in its own buffer. */
export interface HandedOutFile extends HandedOut {
  load: HandedOutLoad
}

/** A file below a directory that only this user can enter. */
export interface PlacedFile {
  name: string
  /** Names of everything that was placed together with it. */
  names: ReadonlySet<string>
  files: PlacedFiles
  verdict: Verdict
  load: HandedOutLoad
  /** The state of each of them, as text. */
  states: ReadonlyMap<string, string>
}

/** The files that one load hands out. They count once the load has ended and the model was accepted. */
export class HandedOutLoad implements HandOuts {
  #model: OpenedModel<unknown> | undefined
  readonly #paths: string[] = []

  /** The model that was accepted; undefined until then. */
  get model(): OpenedModel<unknown> | undefined {
    return this.#model
  }

  accept(model: OpenedModel<unknown>): void {
    this.#model = model
  }

  read(file: HandedOut): void {
    buffers.set(file.bytes.buffer, { ...file, load: this })
  }

  placed(files: PlacedFiles, names: readonly string[], verdict: Verdict): void {
    // Files that an unverified load leaves in place are judged by their path, like any other file.
    if (files.isolation === 'none' || verdict.model.format !== 'onnx') return
    const states = new Map(names.map((name) => [name, stateOf(files.path(name))]))
    for (const name of names) {
      const path = files.path(name)
      this.#paths.push(path)
      places.set(path, { name, names: new Set(names), files, verdict, load: this, states })
    }
  }

  over(): void {
    for (const path of this.#paths.splice(0)) places.delete(path)
  }
}

/** The ONNX model that an accepted load handed out in this buffer. */
export function handedOut(bytes: Uint8Array): HandedOutFile | undefined {
  const file = buffers.get(bytes.buffer)
  const isWhole = file?.bytes.byteOffset === bytes.byteOffset && file.bytes.byteLength === bytes.byteLength
  return file && isWhole && isOnnx(file) ? file : undefined
}

/** Like {@link handedOut}, for a path. */
export function placed(path: string): PlacedFile | undefined {
  const file = places.get(path)
  return file && isOnnx(file) ? file : undefined
}

/** The rule may have been chosen for the format, so only loads of ONNX models hand out ONNX models. */
function isOnnx({ load, verdict }: { load: HandedOutLoad; verdict: Verdict }): boolean {
  return load.model !== undefined && verdict.model.format === 'onnx'
}

/** @throws {@link ModelSealError} `FILE_CHANGED` */
export function checkPlaced({ names, files, states }: PlacedFile): void {
  for (const name of names) {
    if (stateOf(files.path(name)) === states.get(name)) continue
    throw changed(files.path(name))
  }
}

export function changed(file: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `Cannot load ${shown(file)}: it changed after it was verified.`, {
    file,
    expected: 'the bytes that were verified',
    hint: 'Pass the verified bytes or paths to the runtime unchanged.',
  })
}

/** The state of a file and, if it is a link, of the link. Omits the ctime, which hard links change. */
function stateOf(path: string): string {
  try {
    const link = lstatSync(path, { bigint: true })
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true })
    return [dirname(path), link.dev, link.ino, dev, ino, size, mtimeNs].join()
  } catch {
    return 'none'
  }
}
