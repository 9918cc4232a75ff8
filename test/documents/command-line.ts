import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/documents.ts'

const PROGRAM = join(ROOT, 'packages/cli/bin/modelseal.cjs')

/** Options of modelseal that a block names and the command does not have. Commands of other programs are not looked at. */
export function unknownOptions(text: string): string[] {
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  return lines
    .map((line) => /^(?:npx )?modelseal (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined)
    .flatMap((line) => {
      const words = line.replace(/ +#.*/, '').split(/ +/)
      const help = helpOf(words)
      const options = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0] ?? word)
      return options.filter((option) => !new RegExp(`${option}\\b`).test(help)).map((option) => `${option}: ${line}`)
    })
}

/** The help of the command with as many of the words in its name as it has. */
function helpOf(words: readonly string[]): string {
  for (const count of [2, 1]) {
    const name = words.slice(0, count).filter((word) => /^[a-z][a-z0-9-]*$/.test(word))
    const { stdout } = spawnSync(process.execPath, [PROGRAM, ...name, '--help'], { encoding: 'utf8' })
    if (stdout.startsWith(`Usage: modelseal ${name.join(' ')}`)) return stdout
  }
  return ''
}

/** Scripts of package.json that a block names and that do not exist. */
export function unknownScripts(text: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
  const names = [...text.matchAll(/^npm run (?:--silent )?([\w:-]+)/gm)].map(([, name = '']) => name)
  return names.filter((name) => !(name in scripts))
}
