// Writes the pages of the documentation that are generated, and builds the site from all pages: npm run docs:build.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vitepress'
import { apiPages } from './api-pages.ts'
import { checkLinks } from './check-links.ts'
import { commandPages } from './command-pages.ts'
import { environmentPage } from './environment-page.ts'
import { errorPages } from './error-pages.ts'
import { eventPage } from './event-page.ts'
import { metricPage } from './metric-page.ts'
import { policyPages } from './policy-pages.ts'
import { sidebar } from './sidebar.ts'
import { stage } from './stage.ts'

const root = join(import.meta.dirname, '../..')
const target = join(root, '.cache/docs')

const errors = join(root, 'docs/reference/errors.md')
const project = join(root, 'scripts/project.json')
const { repository = '' } = existsSync(project)
  ? (JSON.parse(readFileSync(project, 'utf8')) as { repository?: string })
  : {}

const generated = new Map([
  ...policyPages(),
  ...commandPages(),
  ...errorPages(errors),
  ...eventPage(),
  ...metricPage(),
  ...environmentPage(),
  ...(await apiPages(root)),
])
stage({ root, target, generated, repository })
writeFileSync(`${target}-sidebar.json`, JSON.stringify(sidebar(target)))
await build(join(root, 'docs'))
checkLinks(join(root, 'docs/dist'))
