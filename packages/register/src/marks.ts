/**
 * Finds copies of TensorFlow.js in the text of a module by words that no minifier renames: sentences of its errors, and
 * names of global properties. Written in parts, so that this file does not have them itself.
 */

/** Sentences of the functions that load models, one of each: any of them tells. */
const LOADER_SENTENCES = [
  ['Cannot proceed with model loading ', 'because the IOHandler provided'],
  ['modelUrl in loadGraphModel() ', 'cannot be null'],
  ['LayersModel artifacts contains ', 'weight data, but not weight specs'],
].map((parts) => parts.join(''))

/** Where every copy of the core keeps its engine and its kernels: all of them tell. */
const CORE_NAMES = [
  ['_tf', 'engine'],
  ['_tf', 'Globals'],
  ['kernel', 'Registry'],
].map((parts) => parts.join(''))

/** Properties that a text with one of these has, unless its names are escaped as well. */
const COMPANIONS = ['modelTopology', 'weightsManifest', ...CORE_NAMES]

/** What a module has in it. */
export interface Marks {
  /** Functions that load models. */
  loaders: boolean
  /** The engine, under whatever loaders. */
  core: boolean
}

export function marksIn(source: string): Marks {
  const plain = marksOf(source)
  if (plain.loaders || !mayHideMarks(source)) return plain
  return marksOf(unescaped(source))
}

function marksOf(text: string): Marks {
  return {
    loaders: LOADER_SENTENCES.some((sentence) => text.includes(sentence)),
    core: CORE_NAMES.every((name) => text.includes(name)),
  }
}

/** Most modules are looked at once: to undo escapes takes longer than to find that there are none that matter. */
function mayHideMarks(source: string): boolean {
  if (COMPANIONS.some((name) => source.includes(name))) return true
  if (!source.includes('\\')) return false
  return /\\[\r\n]/.test(source) || /(?:\\x[\da-f]{2}|\\u[\da-f]{4}|\\u\{[\da-f]+\}|\\[0-7]{3}){4}/i.test(source)
}

const ESCAPE = /\\(?:\r\n|[\r\n]|x([\da-f]{2})|u([\da-f]{4})|u\{0*([\da-f]{1,6})\}|([0-3]?[0-7]{1,2})|([^bfnrtv]))/gi
const JOINED = /["'`]\s*\+\s*["'`]/g

/** The text with line continuations, escapes of characters, and the seams of joined strings undone. */
function unescaped(source: string): string {
  return source
    .replace(ESCAPE, (_, x?: string, u?: string, braced?: string, octal?: string, other?: string) => {
      const hex = x ?? u ?? braced
      const code = hex === undefined ? (octal === undefined ? undefined : parseInt(octal, 8)) : parseInt(hex, 16)
      return code === undefined ? (other ?? '') : code <= 0x10ffff ? String.fromCodePoint(code) : ''
    })
    .replace(JOINED, '')
}
