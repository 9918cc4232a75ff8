import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { DefaultTheme } from 'vitepress'
import { titleOf } from './overview-pages.ts'

type Item = DefaultTheme.SidebarItem

/** Divisions of the documentation, in the order in which the site shows them. */
const DIVISIONS: Record<string, string> = {
  tutorial: 'Start',
  'how-to': 'How to',
  reference: 'Reference',
  explanation: 'Explanation',
  project: 'Project',
}

/** Folders of the reference. The pages of the error codes are left out, because they are many: the table of all codes leads to them. */
const FOLDERS: Record<string, string> = {
  cli: 'Command line',
  policy: 'Fields of a policy',
  api: 'Programming interface',
  packages: 'Packages',
}

/** What comes first in its division; other pages follow by title. */
const FIRST = ['load-a-model.md', 'sign-a-model.md', 'write-a-policy.md', 'policy.md', 'errors.md', 'security.md']

/** The sidebar, from the pages that exist and their titles. */
export function sidebar(source: string): Item[] {
  return Object.entries(DIVISIONS)
    .filter(([division]) => existsSync(join(source, division)))
    .map(([division, text]) => ({
      text,
      link: `/${division}/`,
      items: [...pagesIn(source, division), ...foldersIn(source, division)],
    }))
}

function pagesIn(source: string, folder: string): Item[] {
  // The heading of a folder leads to its index.
  const names = globSync('*.md', { cwd: join(source, folder) }).filter((name) => name !== 'index.md')
  const pages = names.map((name) => ({ name, text: titleOf(readFileSync(join(source, folder, name), 'utf8')) || name }))
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length)
  return pages
    .sort((a, b) => rank(a.name) - rank(b.name) || a.text.localeCompare(b.text, 'en'))
    .map(({ name, text }) => ({ text, link: `/${folder}/${name.replace(/\.md$/, '')}` }))
}

function foldersIn(source: string, division: string): Item[] {
  const names = readdirSync(join(source, division), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const rank = (name: string) => Object.keys(FOLDERS).indexOf(name)
  return names
    .map(({ name }) => name)
    .filter((name) => name in FOLDERS)
    .sort((a, b) => rank(a) - rank(b))
    .map((name) => {
      const folder = posix.join(division, name)
      return { text: FOLDERS[name] ?? name, link: `/${folder}/`, collapsed: true, items: pagesIn(source, folder) }
    })
}
