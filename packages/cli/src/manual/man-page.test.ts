import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../program.ts'
import { manPages } from './man-page.ts'

const program = createProgram('0.0.0', () => () => Promise.resolve())
const PAGES = manPages(program)

/** As a reader sees it. */
const plain = (text: string) =>
  text
    .replaceAll(/\\f[BIR]/g, '')
    .replaceAll(/\\\[u([0-9A-F]+)\]/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('\\-', '-')
    .replaceAll('\\e', '\\')

describe('the manual', () => {
  test('is what package.json lists, so that npm installs it', async () => {
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      man: string[]
    }
    expect(manifest.man.toSorted()).toEqual(PAGES.map(({ name }) => `./dist/man/${name}`).toSorted())
  })

  test('has every command and option', () => {
    const visit = (command: Command, page: string) => {
      const help = command.createHelp()
      for (const { flags } of help.visibleOptions(command)) expect(page).toContain(flags.replaceAll(/[<>]/g, ''))
      for (const below of help.visibleCommands(command)) if (below.name() !== 'help') visit(below, page)
    }
    for (const command of program.createHelp().visibleCommands(program)) {
      if (command.name() === 'help') continue
      const page = PAGES.find(({ name }) => name === `modelseal-${command.name()}.1`)
      visit(command, plain(page?.text ?? ''))
    }
    expect(PAGES).toHaveLength(program.commands.length + 1)
  })

  test('has the examples of the help, as they are', () => {
    const page = plain(PAGES.find(({ name }) => name === 'modelseal-verify.1')?.text ?? '')
    expect(page).toContain('\n$ modelseal verify models/vad --policy modelseal.policy.yaml\n')
  })

  test('has only characters that every formatter reads', () => {
    for (const { text } of PAGES) expect(text).toMatch(/^[\x20-\x7e\n]*$/)
  })

  test.skipIf(spawnSync('groff', ['--version']).error)('is formatted without a warning', () => {
    for (const { name, text } of PAGES) {
      const { status, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-z'], { input: text, encoding: 'utf8' })
      expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: '' })
    }
  })
})
