import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from './program.ts'
import { suggestion } from './suggestion.ts'

const program = createProgram('0.0.0', () => () => Promise.resolve())

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

/** With a letter missing from its middle. */
function misspelt(word: string): string {
  const middle = Math.ceil(word.length / 2)
  return word.slice(0, middle) + word.slice(middle + 1)
}

describe('suggests the right word for a misspelt', () => {
  test('command', () => {
    const groups = all(program).map(({ commands }) => commands.map((one) => one.name()))
    const names = groups.flatMap((group) => group.map((name) => ({ name, group })))
    expect(names.length).toBeGreaterThan(50)
    for (const { name, group } of names) expect(suggestion(misspelt(name), group), name).toContain(name)
  })

  test('value of an option', () => {
    const lists = all(program).flatMap(({ options }) =>
      options.flatMap(({ argChoices }) => (argChoices ? [argChoices] : [])),
    )
    expect(lists.length).toBeGreaterThan(10)
    for (const choices of lists)
      for (const choice of choices) expect(suggestion(misspelt(choice), choices), choice).toContain(choice)
  })
})

test('ignores case', () => {
  expect(suggestion('DEBG', ['debug', 'info'])).toBe('(Did you mean debug?)')
})

test.each(['', 'help', 'models/vad', '--key', '-'])('suggests nothing for %j', (word) => {
  expect(suggestion(word, ['sigstore', 'key'])).toBeUndefined()
})
