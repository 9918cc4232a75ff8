import { readFileSync } from 'node:fs'
import { ERROR_CODES } from '../../packages/core/src/error-codes.ts'
import { code, page, table } from './markdown.ts'
import type { Pages } from './pages.ts'

const DIRECTORY = 'docs/reference/errors'

/** One page for each error code: what it means, what to do, and which codes are about the same things. */
export function errorPages(documentation: string): Pages {
  const groups = errorGroups(documentation)
  return new Map(
    groups.flatMap((errors) =>
      errors.map((error) => [`${DIRECTORY}/${error.code}.md`, errorPage(error, errors)] as const),
    ),
  )
}

/** In the table of all codes, each leads to its page, which only the site has. */
export function withErrorLinks(path: string, text: string): string {
  return path === `${DIRECTORY}.md` ? text.replaceAll(/^\| `([A-Z0-9_]+)` \|/gm, '| [`$1`](errors/$1.md) |') : text
}

interface ErrorRow {
  code: string
  meaning: string
  todo: string
}

/** The tables of the page of all errors, which test/error-documentation.test.ts compares with `ERROR_CODES`. */
function errorGroups(documentation: string): ErrorRow[][] {
  const text = readFileSync(documentation, 'utf8')
  const groups = text.split(/^## /m).slice(1).map(groupOf)
  const documented = new Set(groups.flat().map((error) => error.code))
  const missing = Object.keys(ERROR_CODES).filter((name) => !documented.has(name))
  if (missing.length > 0) throw new Error(`${documentation} does not describe ${missing.join(', ')}.`)
  return groups
}

function groupOf(section: string): ErrorRow[] {
  const rows = [...section.matchAll(/^\| `([A-Z0-9_]+)` \| (.+?) \| (.*?) \|$/gm)]
  return rows.map(([, name = '', meaning = '', todo = '']) => ({ code: name, meaning, todo }))
}

function errorPage({ code: name, meaning, todo }: ErrorRow, errors: readonly ErrorRow[]): string {
  const others = errors.filter((error) => error.code !== name)
  return page(
    name,
    `**Meaning:** ${sentence(meaning)}`,
    `## What to do`,
    todo.replaceAll(/\]\((?!https?:|#)/g, '](../'),
    others.length > 0 ? `## Related codes` : undefined,
    others.length > 0
      ? table(
          ['code', 'meaning'],
          others.map((error) => [`[${code(error.code)}](${error.code}.md)`, error.meaning]),
        )
      : undefined,
    `[All error codes](../errors.md)`,
  )
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
