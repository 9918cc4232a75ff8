import type { Pages } from './pages.ts'
import { page, plain } from './markdown.ts'

const DIVISIONS: Record<string, string> = {
  tutorial: 'Start',
  'how-to': 'How to',
  reference: 'Reference',
  explanation: 'Explanation',
}

/** An overview of each division of the documentation that nobody wrote one for: its pages by title. */
export function overviewPages(sources: Pages): Pages {
  const divisions = Object.entries(DIVISIONS).map(([division, title]) => {
    const items = [...sources].filter(([path]) =>
      new RegExp(`^docs/${division}/([\\w-]+|[\\w-]+/index)\\.md$`).test(path),
    )
    const links = items
      .filter(([path]) => path !== `docs/${division}/index.md`)
      .map(([path, text]) => ({ title: titleOf(text), to: path.slice(`docs/${division}/`.length) }))
      .sort((a, b) => a.title.localeCompare(b.title, 'en'))
    return [
      `docs/${division}/index.md`,
      page(title, links.map((link) => `- [${plain(link.title)}](${link.to})`).join('\n')),
    ] as const
  })
  const home = page(
    'modelseal',
    Object.entries(DIVISIONS)
      .map(([division, title]) => `- [${title}](${division}/index.md)`)
      .join('\n'),
  )
  const packages = [...sources].filter(([path]) => /^packages\/[\w-]+\/README\.md$/.test(path))
  const links = packages.map(([path, text]) => `- [${plain(titleOf(text))}](../../../${path})`)
  const packagePage = ['docs/reference/packages/index.md', page('Packages', links.join('\n'))] as const
  return new Map([packagePage, ['docs/index.md', home] as const, ...divisions].filter(([path]) => !sources.has(path)))
}

/** The first heading of a page, without its marks. */
export function titleOf(text: string): string {
  const [, title = ''] = /^# (.+)$/m.exec(text) ?? []
  return title.replaceAll(/[`*]|\\(?=.)|\s*\{#.*\}$/g, '')
}
