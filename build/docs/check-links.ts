import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

/**
 * Checks the built site: each link within it leads to a page, and to a heading that this page has. Nothing may be loaded from elsewhere.
 *
 * @throws Error that names each link which leads nowhere
 */
export function checkLinks(directory: string): void {
  const problems = linkProblems(directory)
  if (problems.length > 0) throw new Error(`The site has ${problems.length} dead links:\n${problems.join('\n')}`)
}

export function linkProblems(directory: string): string[] {
  const paths = globSync('**/*.html', { cwd: directory })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
  const pages = new Map(paths.map((path) => [path, parsed(readFileSync(join(directory, path), 'utf8'))]))
  return [...pages].flatMap(([from, { links, loaded }]) => {
    const foreign = loaded.filter((address) => /^(https?:)?\/\//.test(address))
    const dead = links.filter((link) => isDead(link, { from, directory, pages }))
    return [...dead.map((link) => `${from}: ${link}`), ...foreign.map((address) => `${from}: loads ${address}`)]
  })
}

interface ParsedPage {
  /** Where its links lead. */
  links: string[]
  /** Its scripts, styles, pictures and fonts. */
  loaded: string[]
  anchors: Set<string>
}

function parsed(html: string): ParsedPage {
  const all = (pattern: RegExp) =>
    Array.from(html.matchAll(pattern), ([, value = '']) => value.replaceAll('&amp;', '&'))
  return {
    links: all(/<a\s[^>]*?href="([^"]*)"/g),
    loaded: [...all(/<(?:script|img|iframe|source)\s[^>]*?src="([^"]*)"/g), ...all(/<link\s[^>]*?href="([^"]*)"/g)],
    anchors: new Set(all(/\sid="([^"]*)"/g)),
  }
}

interface Place {
  from: string
  directory: string
  pages: ReadonlyMap<string, ParsedPage>
}

function isDead(link: string, { from, directory, pages }: Place): boolean {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return false
  const [path = '', anchor = ''] = link.split('#').map(decodeURIComponent)
  const found =
    path === '' ? from : fileFor(directory, path.startsWith('/') ? path.slice(1) : posix.join(dirname(from), path))
  if (found === undefined) return true
  return anchor !== '' && pages.get(found)?.anchors.has(anchor) === false
}

/** The file that a server sends for a path. */
function fileFor(directory: string, path: string): string | undefined {
  return [path, `${path}.html`, posix.join(path, 'index.html')].find((each) => {
    const file = join(directory, each)
    return existsSync(file) && statSync(file).isFile()
  })
}
