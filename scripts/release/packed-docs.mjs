// The documentation in a package: its README, and the pages that can be reached from it. Links are rewritten to where the
// pages are after installation; a link to a file that no package contains becomes plain text.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'

/** The packages that contain the pages to which any of them links. The others refer to those of the core, on which they depend. */
const WITH_PAGES = new Set(['core', 'cli'])
const IS_PAGE = /^(docs\/.*\.(md|svg|png)|SECURITY\.md)$/
const LINK = /(!?)\[((?:[^[\]]|\[[^[\]]*\])*)\]\(([^()\s]+)((?:\s+"[^"]*")?)\)/g

/**
 * @param root directory of the workspace
 * @param name directory of the package in `packages`
 * @returns {Map<string, string>} the text of each file, by its path in the package
 */
export function packedDocs(root, name) {
  const readme = `packages/${name}/README.md`
  const pages = reachable(root)
  const place = placing(root, name, pages)
  const files = new Map()
  for (const page of [readme, ...(WITH_PAGES.has(name) ? pages : [])]) {
    const text = readFileSync(join(root, page), 'utf8')
    files.set(place(page), page.endsWith('.md') ? withLinks(root, text, { page, place }) : text)
  }
  return files
}

/** The pages that can be reached from the READMEs of the packages, over any number of links. */
function reachable(root) {
  const found = new Set()
  const waiting = publishedPackages(root).map((name) => `packages/${name}/README.md`)
  for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
    if (!page.endsWith('.md')) continue
    for (const link of linksOf(readFileSync(join(root, page), 'utf8'))) {
      const target = targetOf(root, page, link)
      if (!target || found.has(target) || !IS_PAGE.test(target)) continue
      found.add(target)
      waiting.push(target)
    }
  }
  return new Set([...found].sort())
}

/** Tells the path of a file of the workspace relative to the installed package; undefined for one that is not installed with it. */
function placing(root, name, pages) {
  const { dependencies, files } = manifestOf(root, name)
  return (file) => {
    if (pages.has(file)) return WITH_PAGES.has(name) ? file : `../core/${file}`
    const [, of, path] = /^packages\/([^/]+)\/(.+)$/.exec(file) ?? []
    if (of === name) return isPacked(path, files) ? path : undefined
    return dependencies?.[`@modelseal/${of}`] && path === 'README.md' ? `../${of}/${path}` : undefined
  }
}

function isPacked(path, files) {
  return path === 'README.md' || files.some((file) => path === file || path.startsWith(`${file}/`))
}

function withLinks(root, text, { page, place }) {
  const from = posix.dirname(place(page))
  return outsideCode(text, (prose) =>
    prose.replace(LINK, (link, image, label, address, title) => {
      if (!isRelative(address)) return link
      const [path, fragment] = address.split(/(?=#)/)
      const target = targetOf(root, page, path)
      const to = target && place(target)
      return to ? `${image}[${label}](${posix.relative(from, to)}${fragment ?? ''}${title})` : label
    }),
  )
}

function linksOf(text) {
  const links = []
  outsideCode(text, (prose) => {
    for (const [, , , address] of prose.matchAll(LINK)) if (isRelative(address)) links.push(address.split('#')[0])
    return prose
  })
  return links
}

/** Not an address of another site, and not a place in the same page. */
function isRelative(address) {
  return !/^([a-z][a-z+.-]*:|#)/i.test(address)
}

/** The file of the workspace that a page links to: for a package, its README; for a page of the site, also without `.md`. */
function targetOf(root, page, link) {
  const path = link.startsWith('/') ? `docs${link}` : posix.join(posix.dirname(page), link)
  const candidates = [path, `${path}.md`, posix.join(path, 'README.md'), posix.join(path, 'index.md')]
  return candidates.find((file) => statSync(join(root, file), { throwIfNoEntry: false })?.isFile())
}

/** Changes a Markdown text except in its blocks of code. */
function outsideCode(text, change) {
  return text
    .split(/(^(?:```|~~~)[\s\S]*?^(?:```|~~~)[ \t]*$)/m)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join('')
}

/** The names of the directories of the published packages. */
export function publishedPackages(root) {
  return readdirSync(join(root, 'packages')).filter((name) => !manifestOf(root, name).private)
}

export function manifestOf(root, name) {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
}
