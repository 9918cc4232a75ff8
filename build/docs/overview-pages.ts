import { posix } from 'node:path'
import { page, plain } from './markdown.ts'
import type { Pages } from './pages.ts'
import { placeOf } from './places.ts'

/** Folders of the site with an overview, and its title. */
const FOLDERS: Record<string, string> = {
  'reference/packages': 'Packages',
  tutorial: 'Start',
  'how-to': 'How to',
  reference: 'Reference',
  explanation: 'Explanation',
  project: 'Project',
  '': 'modelseal',
}

/** An overview of each folder that nobody wrote one for: its pages by title. */
export function overviewPages(written: Pages): Pages {
  const sources = new Map(written)
  for (const [folder, title] of Object.entries(FOLDERS)) {
    const path = posix.join('docs', folder, 'index.md')
    if (!sources.has(path)) sources.set(path, overview(path, title, sources))
  }
  return new Map([...sources].filter(([path]) => !written.has(path)))
}

function overview(path: string, title: string, sources: Pages): string {
  const folder = posix.dirname(path)
  const links = [...sources]
    .filter(([source]) => isIn(posix.dirname(placeOf(path)), placeOf(source)))
    .map(([source, text]) => ({ title: titleOf(text), to: posix.relative(folder, source) }))
    .sort((a, b) => a.title.localeCompare(b.title, 'en'))
  return page(title, links.map((link) => `- [${plain(link.title)}](${link.to})`).join('\n'))
}

/** Whether a page is in a folder, or is the overview of a folder in it. */
function isIn(folder: string, place: string): boolean {
  const directory = posix.dirname(place)
  return posix.basename(place) === 'index.md'
    ? posix.dirname(directory) === folder && directory !== folder
    : directory === folder
}

/** The first heading of a page, without its marks. */
export function titleOf(text: string): string {
  const [, title = ''] = /^# (.+)$/m.exec(text) ?? []
  return title.replaceAll(/[`*]|\\(?=.)|\s*\{#.*\}$/g, '')
}
