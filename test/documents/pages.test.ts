import { beforeAll, describe, expect, test } from 'vitest'
import { documents } from '../support/documents.ts'
import { CHECKS } from './checks.ts'
import { blocksOf, writeOutputs, type Block } from './page.ts'
import { isRun, runPage, type Run } from './run-page.ts'

// Every block of every page: commands run, files are written for them, and what cannot run here is checked and says so.
// UPDATE_PAGES=1 npm run test:documents writes what commands print into the pages.

const NOT_RUN = /^\*Not run here: .+\*$/
const pages = documents().filter((page) => page.startsWith('docs/'))

const isUpdate = Boolean(process.env.UPDATE_PAGES)

describe.concurrent.each(pages)('%s', (page) => {
  const blocks = blocksOf(page)
  const commands = blocks.filter(isRun)
  let runs: Map<number, Run>
  if (commands.length > 0) {
    beforeAll(async () => {
      runs = new Map([...(await runPage(page))].map(([{ line }, run]) => [line, run]))
      if (isUpdate) update(page, blocks, runs)
    })
  }

  test.each(commands.map((block) => [block.line, block] as const))('line %i runs', (line, { words }) => {
    const { status, output } = runs.get(line) ?? {}
    expect(status, output).toBe(Number(words.get('exit') ?? 0))
  })

  test.skipIf(isUpdate).each(shown(blocks))('line %i is what line %i prints', (_, line, code) => {
    expect(comparable(runs.get(line)?.output ?? '')).toMatch(pattern(code))
  })

  test.each(blocks.flatMap((block) => checked(block)))('line %i is valid: %s', async (_, check, { code, after }) => {
    expect(await CHECKS[check]?.(code)).toEqual([])
    expect(after).toMatch(NOT_RUN)
  })

  // public-types.test.ts compiles it.
  test.each(blocks.filter(({ words }) => words.has('compiled')))(
    'line $line says that it is only compiled',
    ({ after }) => {
      expect(after).toMatch(NOT_RUN)
    },
  )

  test('names each file in the text before it', () => {
    const files = blocks.flatMap(({ words, before }) =>
      words.has('file') ? [{ file: words.get('file'), before }] : [],
    )
    expect(files.filter(({ file, before }) => !before.includes(`\`${file}\``))).toEqual([])
  })

  test('has no block that nothing runs, compiles or checks', () => {
    expect(blocks.filter((block) => !isKnown(block)).map(({ line }) => line)).toEqual([])
  })
})

/** [line of the block, line of the commands before it, text] */
function shown(blocks: readonly Block[]): [number, number, string][] {
  return blocks.flatMap((block, index): [number, number, string][] => {
    const before = blocks.slice(0, index).findLast(isRun)
    return block.words.has('output') && before ? [[block.line, before.line, block.code]] : []
  })
}

function checked(block: Block): [number, string, Block][] {
  const check = block.words.get('checked')
  return check === undefined ? [] : [[block.line, check, block]]
}

function isKnown({ language, words }: Block): boolean {
  return (
    language === 'sh' || ['file', 'output', 'checked', 'compiled', 'example', 'policy'].some((word) => words.has(word))
  )
}

function update(page: string, blocks: readonly Block[], runs: ReadonlyMap<number, Run>): void {
  const outputs = shown(blocks).filter(
    ([, line, code]) => !pattern(code).test(comparable(runs.get(line)?.output ?? '')),
  )
  writeOutputs(page, new Map(outputs.map(([own, line]) => [own, runs.get(line)?.output ?? ''])))
}

/** Without what differs each time: digests of keys, signatures and commits, journals, times, durations, processes and ports. */
function comparable(output: string): string {
  return output
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b/g, 'DIGEST')
    .replaceAll(/modelseal\.journal\/\S+/g, 'JOURNAL')
    .replaceAll(/(?<=" on "[\w-]+", )\d+/g, 'PID')
    .replaceAll(/\b\d+(?:\.\d+)? (?:ms|s)\b/g, 'DURATION')
    .replaceAll(/(?<=(?:127\.0\.0\.1|localhost):)\d+/g, 'PORT')
}

/** `…` stands for any text of a line, and on a line of its own, for any lines. */
function pattern(shownOutput: string): RegExp {
  const lines = comparable(shownOutput).split('\n')
  const source = lines.map((line) => (line === '…' ? '[^]*' : line.split('…').map(escaped).join('.*')))
  return new RegExp(`^${source.join('\n').replaceAll('[^]*\n', '[^]*')}$`)
}

const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
