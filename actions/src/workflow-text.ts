import { info } from '@actions/core'
import { visible } from '../../packages/cli/src/pages/visible.ts'

/** Prints lines in which the runner finds no commands. */
export function writeLines(text: string): void {
  for (const line of text.split('\n')) info(withoutCommands(visible(line)))
}

/** A text in one line, in which nothing drives a terminal. `@actions/core` escapes what ends a command. */
export function oneLine(text: string): string {
  return visible(text)
}

/** Runners take `::` at the beginning of a line, after spaces, and `##[` anywhere in it for a command. */
function withoutCommands(line: string): string {
  return line.replace(/^(\s*):(?=:)/, '$1\\u{3a}').replaceAll('##[', '#\\u{23}[')
}
