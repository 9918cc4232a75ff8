import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../program.ts'
import { completionsFor } from './completions.ts'

const program = createProgram('0.0.0', () => () => Promise.resolve())

function valuesOf(...words: string[]): string[] {
  return completionsFor(words, program).candidates.map(({ value }) => value)
}

function takesFiles(...words: string[]): boolean {
  return completionsFor(words, program).files
}

describe('completes', () => {
  test.each([
    [['sig'], ['sign']],
    [['sign', 'ke'], ['key']],
    [['sign', 'key', '--private'], ['--private-key']],
    [
      ['sign', 'key', '--hash-type', 'bl'],
      ['blake2b', 'blake3'],
    ],
    [['sign', 'key', '--hash-type=sha'], ['--hash-type=sha256']],
    [['sign', 'key', '--hash_type', 'sha'], ['sha256']],
    [['--log-level', 'd'], ['debug']],
    [['--log-level', 'debug', 'pul'], ['pull']],
    [['advisory', 'sign', 'pkcs11-k'], ['pkcs11-key']],
    [['policy', 'exp'], ['explain']],
    [['help', 'sign', 'ke'], ['key']],
    [['verify', '--vsa', 'pkcs11-k'], ['pkcs11-key']],
    [['verify', 'vad', '--vsa', 'key', '--private'], ['--private-key']],
    [['verify', 'vad', '--identity', 'i', '--identity-p'], ['--identity-provider']],
    [['completion', 'z'], ['zsh']],
    [['policy', 'init', '--require', 'ev'], ['evaluation']],
    [['attest', '--type', 'model'], ['model-card']],
  ])('%j', (words, expected) => {
    expect(valuesOf(...words)).toEqual(expected)
  })

  test('the options of the method that a command has by default', () => {
    expect(valuesOf('sign', 'vad', '--use-st')).toEqual(['--use-staging'])
  })

  test('no command after an argument or "--", and no option after "--"', () => {
    expect(valuesOf('sign', 'vad', 'ke')).toEqual([])
    expect(valuesOf('sign', '--', 'ke')).toEqual([])
    expect(valuesOf('sign', 'key', '--', '--pri')).toEqual([])
  })

  test('no hidden command', () => {
    expect(valuesOf('verify', 'vsa')).toEqual([])
    expect(valuesOf('completion', 'ans')).toEqual([])
  })

  test.each([
    ['sign', 'key', 'v'],
    ['sign', 'v'],
    ['sign', 'key', '--private-key', 'r'],
    ['sign', 'key', '--signature=v'],
    ['digest', '--', '--v'],
    ['journal', 'verify', 'a', 'b'],
    ['pull', 'hf://org/vad', 'm'],
    ['policy', 'check', ''],
    ['verify', 'vad', '--policy', ''],
  ])('names of files: %s %s %s %s', (...words) => {
    expect(takesFiles(...words.filter((word) => typeof word === 'string'))).toBe(true)
  })

  test.each([
    [['']],
    [['sign', 'key', '-']],
    [['sign', 'key', '--hash-type', '']],
    [['digest', 'vad', '']],
    [['policy', '']],
  ])('no names of files: %j', (words) => {
    expect(takesFiles(...words)).toBe(false)
  })
})

test('every command, option and choice is found', () => {
  const visit = (command: Command, path: string[]) => {
    const help = command.createHelp()
    for (const { long } of help.visibleOptions(command)) if (long) expect(valuesOf(...path, long)).toContain(long)
    for (const { long, argChoices } of command.options)
      for (const choice of argChoices ?? []) expect(valuesOf(...path, long ?? '', choice)).toEqual([choice])
    for (const below of help.visibleCommands(command)) {
      if (below.name() === 'help') continue
      expect(valuesOf(...path, below.name())).toContain(below.name())
      visit(below, [...path, below.name()])
    }
  }
  visit(program, [])
})
