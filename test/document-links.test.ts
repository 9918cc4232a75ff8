import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { documents, ROOT } from './support/documents.ts'

/** Links to pages that scripts write when the site is built, whose own check finds dead ones. */
const GENERATED = /^docs\/reference\/(?:api|cli|errors|policy)(?:\/|$)/

const withoutCode = (text: string) => text.replaceAll(/^(```+).*?^\1$/gms, '')

/** The anchor of each heading, as GitHub makes it. */
function anchorsOf(path: string): Set<string> {
  const seen = new Map<string, number>()
  const headings = withoutCode(readFileSync(path, 'utf8')).matchAll(/^#{1,6} (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) => {
      const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
      const slug = text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
      const before = seen.get(slug) ?? 0
      seen.set(slug, before + 1)
      return before === 0 ? slug : `${slug}-${before}`
    }),
  )
}

/** What is wrong with a link from `document`, which may have an anchor. */
function faultOf(document: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? document : normalize(join(dirname(document), path))
  if (GENERATED.test(target)) return undefined
  if (!existsSync(join(ROOT, target))) return `${link}: there is no ${target}`
  if (anchor === undefined) return undefined
  const page = statSync(join(ROOT, target)).isDirectory() ? join(target, 'README.md') : target
  return anchorsOf(join(ROOT, page)).has(anchor) ? undefined : `${link}: there is no such heading in ${page}`
}

describe('every link within the repository leads to a file and a heading', () => {
  test.each(documents())('in %s', (document) => {
    const text = withoutCode(readFileSync(join(ROOT, document), 'utf8'))
    const links = [...text.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].map(([, link = '']) => link)
    expect(links.map((link) => faultOf(document, link)).filter((fault) => fault !== undefined)).toEqual([])
  })
})

test.each(['docs/tutorial', 'docs/how-to'])('the overview of %s names every page there', (folder) => {
  const overview = readFileSync(join(ROOT, folder, 'index.md'), 'utf8')
  const pages = globSync('*.md', { cwd: join(ROOT, folder) }).filter((page) => page !== 'index.md')
  expect(pages.filter((page) => !overview.includes(`](${page})`))).toEqual([])
})
