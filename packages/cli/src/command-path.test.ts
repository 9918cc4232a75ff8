import { expect, test } from 'vitest'
import { commandNamed, commandPath } from './command-path.ts'
import { createProgram } from './program.ts'

const program = createProgram('0.0.0', () => () => Promise.resolve())

test.each([
  [['sign', 'key', 'm'], 'sign key'],
  [['--log-level', 'debug', 'verify', 'key', '--json'], 'verify key'],
  [['--log-level=verify', 'digest', 'verify'], 'digest'],
  [['verify', '--policy', 'key', 'm'], 'verify'],
  [['--log-level'], ''],
])('finds the command of %j', (args, path) => {
  expect(commandPath(commandNamed(program, args))).toBe(path)
})
