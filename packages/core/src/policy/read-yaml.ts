import { Composer, Lexer, Parser, type Document, type LineCounter } from 'yaml'
import { duplicateKeys } from './duplicate-keys.ts'
import { yamlSentence } from './yaml-words.ts'

/** Something that is wrong with a text, and where: an offset in characters. */
export interface TextFault {
  sentence: string
  offset: number
}

/** More than anybody reads; what is wrong with a text can be as long as the text. */
export const MAX_PROBLEMS = 100

/** A policy nests ten deep, and the parser descends by calls. */
const MAX_DEPTH = 64
/** Scalars and marks. 30,000 rules have 930,000 of them; each costs the parser half a kilobyte. */
const MAX_PARTS = 1_000_000

/** A text, or what is wrong with it: never nothing. */
export type ReadYaml = { document: Document.Parsed } | { faults: readonly [TextFault, ...TextFault[]] }

/**
 * Parses a text that holds one document of YAML 1.2, in time and memory linear in its length. It ends at the
 * first {@link MAX_PROBLEMS} faults, so that no text makes millions of errors.
 *
 * The parser's own check for duplicate keys compares each key with all before it; ours is linear.
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
  // The parser reports again, on every level, that it was stopped.
  const [first, ...more] = faults.slice(0, MAX_PROBLEMS)
  if (first) return { faults: [first, ...more] }
  return document ? { document } : { faults: [{ sentence: 'The text is not valid YAML.', offset: 0 }] }
}

const MULTIPLE =
  'The text contains multiple documents; expected one. Remove this line "---", or put what follows it into a file of its own and name that under "include".'

function faultsOf(document: Document.Parsed): TextFault[] {
  // Errors of the parser arrive by the composer; these are for one that reports in another way.
  const reported = [...document.errors, ...document.warnings]
  if (reported.length > 0)
    return reported.map(({ message, pos }) => ({ sentence: message.replace(/\.?$/, '.'), offset: pos[0] }))
  const { version } = document.directives.yaml
  // YAML 1.1 has other words for true and false, and keys that merge maps.
  if (version !== '1.2') return [{ sentence: `The text is marked as YAML ${version}; expected YAML 1.2.`, offset: 0 }]
  return duplicateKeys(document.contents, MAX_PROBLEMS)
}

/** The text holds more than is read. */
class Exceeded extends Error {
  readonly fault: TextFault

  constructor(sentence: string, offset: number) {
    super(sentence)
    this.fault = { sentence, offset }
  }
}

/** More of a line than a message shows. */
const LONGEST_REST = 200

function restOfLine(text: string, offset: number): string {
  return /^[^\r\n]*/.exec(text.slice(offset, offset + LONGEST_REST))?.[0] ?? ''
}

/** There are as many faults as are reported. */
class TooManyFaults extends Error {}

/** As `Parser.parse()`, which bounds nothing. */
function* boundedTokens(source: string, lines: LineCounter, faults: TextFault[]): ReturnType<Parser['parse']> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  let parts = 0
  for (const lexeme of new Lexer().lex(source)) {
    if (isPart(lexeme) && ++parts > MAX_PARTS)
      throw new Exceeded(`The text has more than ${MAX_PARTS} values and marks.`, parser.offset)
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

/** False for space, line ends, comments, and the signs that the lexer adds. */
function isPart(lexeme: string): boolean {
  const first = lexeme.charCodeAt(0)
  return first > 0x20 && first !== 0x23
}

type Report = (
  source: number | [number, number, ...number[]] | { offset: number },
  code: string,
  message: string,
) => void

/** Hands out faults as they are found, as long as they are few: the composer makes an error with a stack of each. */
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
