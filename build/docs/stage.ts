import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join, posix } from 'node:path'
import { withErrorLinks } from './error-pages.ts'
import { block, code, page } from './markdown.ts'
import { overviewPages } from './overview-pages.ts'
import type { Pages } from './pages.ts'
import { ELSEWHERE, placeOf } from './places.ts'
import { withNotice } from './unpublished.ts'

/** Languages of the files that a page shows, by extension. */
const LANGUAGES: Record<string, string> = {
  '.mjs': 'js',
  '.cjs': 'js',
  '.js': 'js',
  '.ts': 'ts',
  '.json': 'json',
  '.yml': 'yaml',
  '.yaml': 'yaml',
}

/** Copied beside the pages. */
const PICTURES = new Set(['.svg', '.png'])

export interface StageOptions {
  /** The root of the repository. */
  root: string
  /** The directory for the source of the site, which is replaced. */
  target: string
  /** Pages that are generated. */
  generated: Pages
  /** Address of the repository; empty if it has none. */
  repository: string
}

/**
 * Writes the source of the site: the documents of the repository and the generated pages. Links stay as they are in the repository;
 * here they are changed to lead to where the pages are.
 *
 * @throws Error that names each link which leads nowhere
 */
export function stage(options: StageOptions): void {
  const documents = documentsIn(options.root)
  // A project without an address has published nothing.
  const written =
    options.repository === ''
      ? new Map(Array.from(documents, ([path, text]) => [path, withNotice(path, text)]))
      : documents
  const twice = [...options.generated.keys()].filter((path) => written.has(path))
  if (twice.length > 0) throw new Error(`Cannot build the site: ${twice.join(', ')} would be written twice.`)
  const sources = new Map([...written, ...options.generated].map(([path, text]) => [path, withErrorLinks(path, text)]))
  for (const [path, text] of overviewPages(sources)) sources.set(path, text)
  const site = new Site(options, sources)
  rmSync(options.target, { recursive: true, force: true })
  for (const [path, text] of sources) site.write(path, text)
  site.writeShown()
  if (site.dead.length > 0) throw new Error(`Cannot build the site: links lead nowhere.\n${site.dead.join('\n')}`)
}

function documentsIn(root: string): Pages {
  const paths = globSync(['docs/**/*.md', 'packages/*/README.md', ...Object.keys(ELSEWHERE)], {
    cwd: root,
    exclude: (path) => /(^|[\\/])(node_modules|dist|\.vitepress)$/.test(path),
  }).map((path) => path.replaceAll('\\', '/'))
  return new Map(paths.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}

class Site {
  readonly dead: string[] = []
  readonly #options: StageOptions
  readonly #sources: Pages
  /** Files that pages link to, each of which gets a page. */
  readonly #shown = new Set<string>()

  constructor(options: StageOptions, sources: Pages) {
    this.#options = options
    this.#sources = sources
  }

  write(path: string, text: string): void {
    const changed = outsideOfCode(text, (part) =>
      part.replaceAll(
        /(!?)\[((?:[^[\]]|\[[^[\]]*\])*)\]\(([^()\s]+)\)/g,
        (link: string, mark: string, label: string, to: string) => this.#link(path, { link, mark, label, to }),
      ),
    )
    this.#put(placeOf(path), changed)
  }

  /** A page for each file that others link to, so that the site is complete without the repository. */
  writeShown(): void {
    for (const path of this.#shown) {
      const text = readFileSync(join(this.#options.root, path), 'utf8')
      this.#put(placeOf(path), page(posix.basename(path), code(path), block(LANGUAGES[extname(path)] ?? '', text)))
    }
  }

  #link(from: string, { link, mark, label, to }: { link: string; mark: string; label: string; to: string }): string {
    if (/^[a-z][a-z0-9+.-]*:|^#|^\//i.test(to)) return link
    const [file = '', anchor] = to.split('#')
    const path = posix.join(posix.dirname(from), file).replace(/\/$/, '')
    const place = this.#placeFor(path)
    if (place !== undefined) {
      const relative = posix.relative(posix.dirname(placeOf(from)), place)
      return `${mark}[${label}](${relative.startsWith('.') ? relative : `./${relative}`}${anchor === undefined ? '' : `#${anchor}`})`
    }
    if (!existsSync(join(this.#options.root, path))) this.dead.push(`${from}: ${to}`)
    const { repository } = this.#options
    return repository === '' ? label : `[${label}](${repository}/tree/HEAD/${path})`
  }

  /** Where on the site something is; undefined if it is only in the repository. */
  #placeFor(path: string): string | undefined {
    const { root, target } = this.#options
    const known = [path, `${path}/index.md`, `${path}/README.md`].find((each) => this.#sources.has(each))
    if (known !== undefined) return placeOf(known)
    const file = join(root, path)
    if (!existsSync(file)) return undefined
    if (statSync(file).isDirectory()) {
      const parent = `${posix.dirname(path)}/README.md`
      return path.startsWith('examples/') && this.#sources.has(parent) ? placeOf(parent) : undefined
    }
    const place = placeOf(path)
    if (PICTURES.has(extname(path))) {
      mkdirSync(dirname(join(target, place)), { recursive: true })
      cpSync(file, join(target, place))
    } else this.#shown.add(path)
    return place
  }

  #put(place: string, text: string): void {
    const file = join(this.#options.target, place)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

/** Changes what is not in blocks of code. */
function outsideOfCode(text: string, change: (part: string) => string): string {
  let fence: string | undefined
  const parts: { isCode: boolean; lines: string[] }[] = []
  for (const line of text.split('\n')) {
    const [, mark] = /^\s*(`{3,}|~{3,})/.exec(line) ?? []
    const isCode = fence !== undefined || mark !== undefined
    if (parts.at(-1)?.isCode !== isCode) parts.push({ isCode, lines: [] })
    parts.at(-1)?.lines.push(line)
    if (mark !== undefined) fence = fence === undefined ? mark : mark.startsWith(fence) ? undefined : fence
  }
  return parts.map(({ isCode, lines }) => (isCode ? lines.join('\n') : change(lines.join('\n')))).join('\n')
}
