import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/documents.ts'

/**
 * A fenced block of a page. The words behind its language say what is done with it:
 *
 * | ```` ```sh ```` | runs in the shell of the page; `exit=1`: its last command ends with this status |
 * | `output` | is what the commands before it print |
 * | `file=NAME` | is written to this file before the next commands |
 * | `checked=NAME` | cannot run here, and is checked by one of CHECKS |
 * | `compiled` | cannot run here, and is compiled by public-types.test.ts, as all code is |
 * | `example` | is what is printed by something that cannot run here |
 * | `policy` | is a policy that policy-documentation.test.ts reads |
 *
 * What does not run is followed by a line that says so.
 */
export interface Block {
  language: string
  words: Map<string, string>
  code: string
  /** Of its first line. */
  line: number
  /** The paragraph before it. */
  before: string
  /** The first line of text after it, which says what was not run. */
  after: string
}

const FENCE = /^(?<indent> *)```(?<info>[^\n`]*)\n(?<code>.*?)^\k<indent>```$(?=(?<after>\n*[^\n]*))/gms

export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(FENCE)].map((match) => {
    const { info = '', code = '', after = '', indent = '' } = match.groups ?? {}
    const [language = '', ...words] = info.trim().split(/ +/)
    return {
      language,
      words: new Map(words.map((word) => word.split('=') as [string, string])),
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: text.slice(0, match.index).split('\n').length,
      before: text.slice(0, match.index).trimEnd().split('\n\n').at(-1) ?? '',
      after: after.trim(),
    }
  })
}

/** The fixture that a page names in a comment: `<!-- starts with: signed -->`. */
export function fixtureOf(page: string): string | undefined {
  return /^<!-- starts with: (.+) -->$/m.exec(readFileSync(join(ROOT, page), 'utf8'))?.[1]
}

/** Writes what commands printed into the blocks of a page that show it. */
export function writeOutputs(page: string, outputs: ReadonlyMap<number, string>): void {
  const text = readFileSync(join(ROOT, page), 'utf8')
  writeFileSync(
    join(ROOT, page),
    text.replaceAll(FENCE, (all: string, ...rest: unknown[]) => {
      const { info = '' } = rest.at(-1) as Record<string, string>
      const output = outputs.get(text.slice(0, rest.at(-3) as number).split('\n').length)
      return output === undefined ? all : `\`\`\`${info}\n${output}\`\`\``
    }),
  )
}
