/**
 * Finds copies of TensorFlow.js in the text of a module by words that no minifier changes: sentences of its errors and
 * names of global properties. They are written in parts, so that this file does not contain them itself.
 */

/** One sentence of each function that loads models. Any of them is enough. */
const LOADER_SENTENCES = [
  ['Cannot proceed with model loading ', 'because the IOHandler provided'],
  ['modelUrl in loadGraphModel() ', 'cannot be null'],
  ['LayersModel artifacts contains ', 'weight data, but not weight specs'],
].map((parts) => parts.join(''))

/** The global properties in which every copy of the core keeps its engine and kernels. All of them must occur. */
const CORE_NAMES = [
  ['_tf', 'engine'],
  ['_tf', 'Globals'],
  ['kernel', 'Registry'],
].map((parts) => parts.join(''))

/** Properties that occur in every text with one of these, unless the names are escaped as well. */
const COMPANIONS = ['modelTopology', 'weightsManifest', ...CORE_NAMES]

/** What a module contains. */
interface Marks {
  /** Functions that load models. */
  loaders: boolean
  /** The engine, whatever loaders use it. */
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

/** Whether escapes in the text may hide marks. For most modules they do not, and checking is faster than undoing escapes. */
function mayHideMarks(source: string): boolean {
  return hasEscapedText(source) || COMPANIONS.some((name) => source.includes(name))
}

/** This many consecutive escapes count as escaped text. */
const ESCAPES_OF_TEXT = 4
/** The length of the longest escape of each kind. */
const LONGEST = { x: 4, u: 10, octal: 4 }

/** Whether there is a line continuation or escaped text. Written without regular expressions, which take ten times as long for a large bundle. */
function hasEscapedText(source: string): boolean {
  let run = 0
  let end = -1
  for (let i = source.indexOf('\\'); i >= 0; i = source.indexOf('\\', i + 2)) {
    const char = source.charAt(i + 1)
    if (char === '\n' || char === '\r') return true
    const kind = char === 'x' || char === 'u' ? char : char >= '0' && char <= '7' ? 'octal' : undefined
    run = kind === undefined ? 0 : i <= end ? run + 1 : 1
    if (run >= ESCAPES_OF_TEXT) return true
    if (kind !== undefined) end = i + LONGEST[kind]
  }
  return false
}

const ESCAPE = /\\(?:\r\n|[\r\n]|x([\da-f]{2})|u([\da-f]{4})|u\{0*([\da-f]{1,6})\}|([0-3]?[0-7]{1,2})|([^bfnrtv]))/gi
const JOINED = /["'`]\s*\+\s*["'`]/g

/** Resolves line continuations, character escapes and string concatenations. */
function unescaped(source: string): string {
  return source
    .replace(ESCAPE, (_, ...groups: (string | undefined)[]) => {
      const [x, u, braced, octal, other] = groups
      const hex = x ?? u ?? braced
      const code = hex === undefined ? (octal === undefined ? undefined : parseInt(octal, 8)) : parseInt(hex, 16)
      return code === undefined ? (other ?? '') : code <= 0x10ffff ? String.fromCodePoint(code) : ''
    })
    .replace(JOINED, '')
}
