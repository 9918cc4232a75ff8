// Writes the man pages of the program from its commands. The build runs it (man-pages.ts).
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { manPages } from '../packages/cli/src/manual/man-page.ts'
import { createProgram } from '../packages/cli/src/program.ts'

const packageUrl = new URL('../packages/cli/', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('package.json', packageUrl), 'utf8'))
const target = new URL('dist/man/', packageUrl)
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const { name, text } of manPages(createProgram(version, () => async () => {})))
  writeFileSync(new URL(name, target), text)
