import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ERROR_CODES } from '@modelseal/core/errors'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { linkProblems } from '../build/docs/check-links.ts'
import {
  commandPages,
  documentedOptions,
  documentedProgram,
  pathOf,
  visibleCommands,
} from '../build/docs/command-pages.ts'
import { compareVariables, environmentPage } from '../build/docs/environment-page.ts'
import { errorPages } from '../build/docs/error-pages.ts'
import { definedEvents } from '../build/docs/event-page.ts'
import { definedTelemetry, undescribedTelemetry } from '../build/docs/metric-page.ts'
import { policyPages, undescribedFields } from '../build/docs/policy-pages.ts'
import { stage } from '../build/docs/stage.ts'

const ROOT = join(import.meta.dirname, '..')

describe('the generated reference describes', () => {
  test('every field of a policy', () => {
    expect(undescribedFields()).toEqual([])
    const text = [...policyPages().values()].join('\n')
    for (const field of ['maxSignatureAge', 'rootDigest', 'threshold', 'tufUrl', 'notAfter'])
      expect(text).toContain(`\`${field}\``)
  })

  test('every command, argument and option', () => {
    const commands = allCommands(documentedProgram())
    expect(commands.length).toBeGreaterThan(30)
    const silent = commands.flatMap((command) => [
      ...(command.description() === '' ? [pathOf(command)] : []),
      ...command.registeredArguments
        .filter((each) => each.description === '')
        .map((each) => `${pathOf(command)} ${each.name()}`),
      ...documentedOptions(command)
        .filter((each) => each.description === '')
        .map((each) => `${pathOf(command)} ${each.flags}`),
    ])
    expect(silent).toEqual([])
    const pages = [...commandPages().values()].join('\n')
    expect(commands.filter((command) => !pages.includes(pathOf(command)))).toEqual([])
  })

  test('every error code, each on a page of its own', () => {
    const pages = errorPages(join(ROOT, 'docs/reference/errors.md'))
    expect([...pages.keys()].sort()).toEqual(
      Object.keys(ERROR_CODES)
        .map((code) => `docs/reference/errors/${code}.md`)
        .sort(),
    )
    expect(pages.get('docs/reference/errors/BUNDLE_NOT_FOUND.md')).toMatch(
      /^# BUNDLE_NOT_FOUND\n\n\*\*Meaning:\*\* No signature bundle was found/,
    )
  })

  test('every channel of events, and every field of their messages', () => {
    const { channels, messages } = definedEvents()
    expect(channels.map(({ constant }) => constant)).toContain('REVOKED_CHANNEL')
    const silent = [...channels, ...messages, ...messages.flatMap(({ fields }) => fields)].filter(
      ({ documentation }) => documentation === '',
    )
    expect(silent.map(({ name }) => name)).toEqual([])
  })

  test('every metric, span, log record and attribute', () => {
    expect(undescribedTelemetry()).toEqual([])
    expect(definedTelemetry().metrics.map(({ name }) => name)).toContain('modelseal.load.duration')
  })

  test('every environment variable that the packages read', () => {
    expect(compareVariables()).toEqual({ undescribed: [], unread: [] })
    expect(environmentPage().get('docs/reference/environment.md')).toContain('`MODELSEAL_POLICY_OWNER`')
  })
})

describe('the source of the site', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'modelseal-docs-'))
  })
  const roots: string[] = []
  afterAll(() => roots.forEach((each) => rmSync(each, { recursive: true, force: true })))

  function staged(files: Record<string, string>, repository = ''): (path: string) => string {
    roots.push(root)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const generated = new Map([['docs/reference/errors/ABORTED.md', '# ABORTED\n']])
    stage({ root, target: join(root, 'site'), generated, repository })
    return (path) => readFileSync(join(root, 'site', path), 'utf8')
  }

  test('has links to where the pages are', () => {
    const read = staged({
      'docs/how-to/a.md':
        '# A\n\n[s](../../SECURITY.md#keys), [p](../../packages/core#use), [g](../reference/errors/ABORTED.md),\n[over two\nlines](b.md)\n\n```md\n[x](../../SECURITY.md)\n```\n',
      'docs/how-to/b.md': '# B\n',
      'SECURITY.md': '# Security\n\n[a](docs/how-to/a.md)\n',
      'packages/core/README.md': '# Core\n',
    })
    expect(read('how-to/a.md')).toBe(
      '# A\n\n[s](../explanation/security.md#keys), [p](../reference/packages/core.md#use), [g](../reference/errors/ABORTED.md),\n[over two\nlines](./b.md)\n\n```md\n[x](../../SECURITY.md)\n```\n',
    )
    expect(read('explanation/security.md')).toContain('[a](../how-to/a.md)')
  })

  test('has a page for a file that others link to', () => {
    const read = staged({ 'docs/how-to/a.md': '[e](../../examples/e.mjs)\n', 'examples/e.mjs': 'run()\n' })
    expect(read('how-to/a.md')).toBe('[e](../source/examples/e.mjs.md)\n')
    expect(read('source/examples/e.mjs.md')).toContain('```js\nrun()\n```')
  })

  test('leads to the repository for a folder, or has no link while the repository has no address', () => {
    const files = { 'docs/how-to/a.md': '[t](../../test)\n', 'test/x.ts': '' }
    expect(staged(files)('how-to/a.md')).toBe('t\n')
    expect(staged(files, 'https://git.example/m')('how-to/a.md')).toBe('[t](https://git.example/m/tree/HEAD/test)\n')
  })

  test('refuses a link that leads nowhere', () => {
    expect(() => staged({ 'docs/how-to/a.md': '[x](gone.md)\n' })).toThrow('docs/how-to/a.md: gone.md')
  })

  test('refuses a page that is both written and generated', () => {
    expect(() => staged({ 'docs/reference/errors/ABORTED.md': '# Own\n' })).toThrow('would be written twice')
  })

  test('of a built site shows dead links, missing headings and foreign scripts', () => {
    roots.push(root)
    writeFileSync(
      join(root, 'a.html'),
      '<h1 id="x">A</h1><a href="a.html#x"></a><a href="./a#y"></a><a href="/b.html"></a><script src="https://cdn.example/x.js"></script>',
    )
    expect(linkProblems(root)).toEqual(['a.html: ./a#y', 'a.html: /b.html', 'a.html: loads https://cdn.example/x.js'])
  })
})

type Command = ReturnType<typeof documentedProgram>

function allCommands(command: Command): Command[] {
  return [command, ...visibleCommands(command).flatMap(allCommands)]
}
