import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type DefaultTheme } from 'vitepress'

const root = join(import.meta.dirname, '../..')
// build/docs writes the pages there.
const source = join(root, '.cache/docs')
const sidebar = JSON.parse(readFileSync(join(root, '.cache/docs-sidebar.json'), 'utf8')) as DefaultTheme.Sidebar

/** markdown-it, whose types are not installed. */
interface Renderer {
  render(text: string, env: unknown): string
}

/** Words of a code or an option, so that the search finds `FILE_MISMATCH` by "mismatch". */
const words = (text: string) => text.split(/[\s\-_.,:;/()[\]`'"|<>=]+/)

/** The same names of headings as on GitHub, so that links to headings lead there in the repository too. */
const gitHubSlug = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#17609f"/><path d="m9 16.5 5 5 9.5-11" fill="none" stroke="#fff" stroke-width="3.5"/></svg>'

export default defineConfig({
  title: 'modelseal',
  description: 'Signature checking inside the loader of machine-learning models in Node.js',
  lang: 'en',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  srcDir: source,
  outDir: join(root, 'docs/dist'),
  cacheDir: join(root, '.cache/vitepress'),
  // Addresses end in .html, so that any server of files can serve the site.
  cleanUrls: false,
  metaChunk: true,
  // The index of the search is one file.
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  markdown: {
    // Colours whose contrast suffices (WCAG AA).
    anchor: { slugify: gitHubSlug },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    siteTitle: 'modelseal',
    nav: [
      { text: 'Start', link: '/tutorial/', activeMatch: '^/tutorial/' },
      { text: 'How to', link: '/how-to/', activeMatch: '^/how-to/' },
      { text: 'Reference', link: '/reference/', activeMatch: '^/reference/' },
      { text: 'Explanation', link: '/explanation/', activeMatch: '^/explanation/' },
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: {
      provider: 'local',
      options: {
        miniSearch: { options: { tokenize: words }, searchOptions: { combineWith: 'AND' } },
        // Each error page names the others of its kind, which nobody searches there.
        _render: (text, env, md) => (md as Renderer).render(text.replace(/^## Related codes\n.*/ms, ''), env),
      },
    },
    externalLinkIcon: false,
  },
})
