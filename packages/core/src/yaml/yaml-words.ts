import { shown } from '../errors.ts'

export const TABS = 'A line is indented with a tab. Indent with spaces.'

/** A fault that the YAML parser found. */
interface YamlFault {
  /** The parser's name for it. */
  code: string
  message: string
  /** The text from the fault to the end of its line. */
  rest: string
}

/** Describes a fault and its fix without the terms of the parser. */
export function yamlSentence({ code, message, rest }: YamlFault): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return TABS
    case 'BAD_ALIAS':
      return /^[*&]/.test(rest)
        ? `A value that begins with ${rest[0] ?? '*'} must be in quotes: ${quoted(rest)}.`
        : plain(message)
    case 'BAD_SCALAR_START':
      return `A value that begins with ${rest[0] ?? 'such a mark'} must be in quotes: ${quoted(rest)}.`
    case 'TAG_RESOLVE_FAILED':
      return rest.startsWith('!') && !rest.startsWith('!!')
        ? `A value that begins with ! must be in quotes: ${quoted(rest)}.`
        : plain(message)
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'A value that contains a colon and a space (": ") must be in quotes.'
    case 'BAD_INDENT':
      return unclosed(message) ?? 'The indentation of this line does not match the lines around it.'
    case 'MISSING_CHAR':
      return missing(message)
    case 'UNEXPECTED_TOKEN':
      return /at node end$/.test(message)
        ? 'There is text after the end of a value. Put the whole value in quotes if it begins with {, [, or a quote.'
        : plain(message)
    default:
      return plain(message)
  }
}

function missing(message: string): string {
  const [, quote] = /^Missing closing (["'])quote$/.exec(message) ?? []
  if (quote !== undefined) return `A quote (${quote}) is not closed.`
  if (message.startsWith('Sequence item without'))
    return 'The indentation of this line does not match the entries of the list above it.'
  const open = unclosed(message)
  if (open !== undefined) return open
  if (message.startsWith('Implicit map keys need')) return 'Expected a field and its value, as in "name: value".'
  return plain(message)
}

function unclosed(message: string): string | undefined {
  const [, kind] = /^Flow (map|sequence) .*end with/.exec(message) ?? []
  if (kind === undefined) return undefined
  const [mark, end] = kind === 'map' ? ['{', '}'] : ['[', ']']
  return `A ${mark} has no ${end}, or the lines between them are not indented.`
}

function plain(message: string): string {
  return message.replace(/\.?$/, '.')
}

/** The value in quotes, up to the character that ends it. */
function quoted(rest: string): string {
  return shown((/^[^\s,}\]#]+/.exec(rest)?.[0] ?? rest.slice(0, 1)).replace(/:$/, ''))
}
