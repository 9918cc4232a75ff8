import { Composer, Lexer, Parser, type Document, type LineCounter } from 'yaml'
import { duplicateKeys, type TextFault } from './duplicate-keys.ts'
import { TABS, yamlSentence } from './yaml-words.ts'

/** More than anyone reads. Without a limit, the list of faults could be as long as the text. */
export const MAX_PROBLEMS = 100

/** A policy has about ten levels. The parser is recursive. */
const MAX_DEPTH = 64
/** Scalars and punctuation. 30,000 rules have 930,000 of them, and each takes half a kilobyte of memory in the parser. */
const MAX_PARTS = 1_000_000

/** A parsed text, or at least one fault. */
type ReadYaml = { document: Document.Parsed } | { faults: readonly [TextFault, ...TextFault[]] }

/**
 * Parses a text that contains one YAML 1.2 document, in time and memory linear in its length. Parsing stops after
 * {@link MAX_PROBLEMS} faults, so that no text can cause millions of errors.
 *
 * The parser's own check for duplicate keys compares each key with all previous keys; the check here is linear.
 */
export function readYaml(source: string, lines: LineCounter): ReadYaml {
  const faults: TextFault[] = []
  const documents: Document.Parsed[] = []
  try {
    for (const document of new BoundedComposer(source, faults).compose(
      boundedTokens(source, lines, faults),
      true,
      source.length,
    )) {
      documents.push(document)
      if (documents.length > 1) break
    }
  } catch (error) {
    if (error instanceof Exceeded) faults.push(error.fault)
    else if (!(error instanceof TooManyFaults)) throw error
  }
  const [document, second] = documents
  if (second) faults.push({ sentence: MULTIPLE, offset: second.range[0] })
  if (document && faults.length === 0) faults.push(...faultsOf(document))
  // Once parsing stops, the parser reports that on every level. A tab makes it misread what follows.
  const tabs = faults.filter(({ sentence }) => sentence === TABS)
  const [first, ...more] = (tabs.length > 0 ? tabs : faults).slice(0, MAX_PROBLEMS)
  if (first) return { faults: [first, ...more] }
  return document ? { document } : { faults: [{ sentence: 'The text is not valid YAML.', offset: 0 }] }
}

const MULTIPLE =
  'The text contains multiple documents; expected one. Remove this line "---", or move what follows it to a separate file, and name that file under "include".'

function faultsOf(document: Document.Parsed): TextFault[] {
  // Faults are normally reported by the composer; these are a safeguard.
  const reported = [...document.errors, ...document.warnings]
  if (reported.length > 0)
    return reported.map(({ message, pos }) => ({ sentence: message.replace(/\.?$/, '.'), offset: pos[0] }))
  const { version } = document.directives.yaml
  // YAML 1.1 has other words for true and false, and keys that merge maps.
  if (version !== '1.2') return [{ sentence: `The text is marked as YAML ${version}; expected YAML 1.2.`, offset: 0 }]
  return duplicateKeys(document.contents, MAX_PROBLEMS)
}

/** Thrown if the text exceeds a limit. */
class Exceeded extends Error {
  readonly fault: TextFault

  constructor(sentence: string, offset: number) {
    super(sentence)
    this.fault = { sentence, offset }
  }
}

/** Longer than the part of a line that a message shows. */
const LONGEST_REST = 200

function restOfLine(text: string, offset: number): string {
  return /^[^\r\n]*/.exec(text.slice(offset, offset + LONGEST_REST))?.[0] ?? ''
}

/** Thrown if the number of faults has reached {@link MAX_PROBLEMS}. */
class TooManyFaults extends Error {}

/** Like `Parser.parse()`, but with limits. */
function* boundedTokens(source: string, lines: LineCounter, faults: TextFault[]): ReturnType<Parser['parse']> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  let parts = 0
  for (const lexeme of new Lexer().lex(source)) {
    if (isPart(lexeme) && ++parts > MAX_PARTS)
      throw new Exceeded(`The text has more than ${MAX_PARTS} values and punctuation marks.`, parser.offset)
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') addFault(faults, token.message, token.offset)
      else yield token
    }
    if (parser.stack.length > MAX_DEPTH)
      throw new Exceeded(`The text is nested more than ${MAX_DEPTH} levels deep.`, parser.offset)
  }
  yield* parser.end()
}

/** @throws {@link TooManyFaults} */
function addFault(faults: TextFault[], message: string, offset: number): void {
  faults.push({ sentence: message.replace(/\.?$/, '.'), offset })
  if (faults.length >= MAX_PROBLEMS) throw new TooManyFaults()
}

/** False for white space, line ends, comments, and the markers that the lexer adds. */
function isPart(lexeme: string): boolean {
  const first = lexeme.charCodeAt(0)
  return first > 0x20 && first !== 0x23
}

type Report = (
  source: number | [number, number, ...number[]] | { offset: number },
  code: string,
  message: string,
) => void

/** Reports faults as they are found, up to the limit. Otherwise the composer would create an error with a stack for each. */
class BoundedComposer extends Composer {
  constructor(text: string, faults: TextFault[]) {
    super({ uniqueKeys: false, prettyErrors: false })
    const report: Report = (source, code, message) => {
      const offset = typeof source === 'number' ? source : Array.isArray(source) ? source[0] : source.offset
      addFault(faults, yamlSentence({ code, message, rest: restOfLine(text, offset) }), offset)
    }
    Object.assign(this, { onError: report })
  }
}
