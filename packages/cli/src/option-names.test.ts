import fc from 'fast-check'
import { expect, test } from 'vitest'
import { optionNames, spelledWithDashes } from './option-names.ts'
import { createProgram } from './program.ts'

const program = createProgram('0.0.0', () => () => Promise.resolve())

function spelled(...args: string[]): string[] {
  return spelledWithDashes(args, program)
}

test('accepts both spellings of an option', () => {
  expect(spelled('sign', 'key', 'm', '--private_key', 'k', '--ignore_paths', 'a')).toEqual(
    spelled('sign', 'key', 'm', '--private-key', 'k', '--ignore-paths', 'a'),
  )
  expect(spelled('--no-ignore_git_paths', '--ignore-unsigned_files')).toEqual([
    '--no-ignore-git-paths',
    '--ignore-unsigned-files',
  ])
})

test('does not change the value of an option, whether or not it follows =', () => {
  expect(spelled('--private_key=my_key', '--public_key', 'my_key.pub')).toEqual([
    '--private-key=my_key',
    '--public-key',
    'my_key.pub',
  ])
  expect(spelled('--signature', '--private_key')).toEqual(['--signature', '--private_key'])
  expect(spelled('--private_key=a\nb_c=d_e')).toEqual(['--private-key=a\nb_c=d_e'])
})

test('does not change arguments after --, operands, and unknown options', () => {
  const others = ['my_model', '-h', '--un_known', '--un_known=a_b', '--', '--private_key', 'x_y']
  expect(spelled(...others)).toEqual(others)
})

test('an option spelled with dashes never changes, whatever its context', () => {
  const names = [...optionNames(program).keys()]
  const word = fc.oneof(
    fc.constantFrom(...names, '--', '--json'),
    fc.string().filter((text) => !text.includes('_')),
  )
  fc.assert(
    fc.property(fc.array(word), (args) => {
      expect(spelled(...args)).toEqual(args)
    }),
  )
})

test('an option takes a value either in every command that has it or in none', () => {
  const seen = new Map<string, boolean>()
  const visit = (command: typeof program) => {
    for (const { long, required, optional } of command.options) {
      expect(optional).toBe(false)
      expect(seen.get(long!) ?? required, long ?? '').toBe(required)
      seen.set(long!, required)
    }
    command.commands.forEach(visit)
  }
  visit(program)
  expect(seen.size).toBeGreaterThan(8)
})
