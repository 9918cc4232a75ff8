import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linkProblems } from '../../build/docs/check-links.ts'
import { Browser } from '../pages/browser.ts'
import { serveFiles } from './file-server.ts'

const ROOT = join(import.meta.dirname, '../..')
const SITE = join(ROOT, 'docs/dist')
/** To look at. */
const PICTURES = join(ROOT, '.cache/docs-pictures')
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** One page of each kind. */
const PAGES = {
  home: '',
  tutorial: 'tutorial/',
  'how-to': 'how-to/publishing.html',
  policy: 'reference/policy.html',
  fields: 'reference/policy/rules.html',
  command: 'reference/cli/verify.html',
  codes: 'reference/errors.html',
  code: 'reference/errors/FILE_MISMATCH.html',
  api: 'reference/api/core-signing.html',
  package: 'reference/packages/cli.html',
  environment: 'reference/environment.html',
  metrics: 'reference/metrics.html',
  charts: 'explanation/performance.html',
  source: 'source/examples/hub.mjs.html',
}

const SCREENS = [
  { width: 1280, scheme: 'light' },
  { width: 390, scheme: 'dark' },
]

let server: Server
let address: string
let browser: Browser

beforeAll(async () => {
  ;({ server, address } = await serveFiles(SITE))
  browser = await Browser.start()
  mkdirSync(PICTURES, { recursive: true })
})
afterAll(async () => {
  await browser.close()
  server.close()
})

test('every link leads to a page and a heading, and nothing is loaded from elsewhere', () => {
  expect(linkProblems(SITE)).toEqual([])
})

test('a page that installs the packages says that no registry has them', () => {
  const installing = globSync('{tutorial,how-to,reference/packages}/*.html', { cwd: SITE })
    .map((name) => ({ name, text: readFileSync(join(SITE, name), 'utf8') }))
    .filter(({ text }) => text.match(/<div class="language-sh[^]*?<\/pre>/g)?.some(installsPackages))
  expect(installing.length).toBeGreaterThan(15)
  for (const { name, text } of installing) expect(text, name).toContain('not on the npm registry yet')
})

function installsPackages(block: string): boolean {
  return /npm install [^\n]*@modelseal\//.test(block.replaceAll(/<[^>]+>/g, ''))
}

describe.each(Object.entries(PAGES))('the page of the kind "%s"', (kind, path) => {
  test.each(SCREENS)('is accessible and fits at $width pixels, $scheme', async ({ width, scheme }) => {
    await browser.open(`${address}/${path}`, { width, scheme })
    await browser.run(AXE)
    // The colours change in a transition.
    await browser.run('new Promise((resolve) => setTimeout(resolve, 300))')
    await savePicture(`${kind}-${width}-${scheme}`)
    expect(await seriousViolations()).toEqual([])
    expect(await browser.run('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    expect(await browser.run('document.querySelectorAll("h1").length')).toBe(1)
  })
})

test('the search finds an error code without the network', async () => {
  await browser.open(`${address}/reference/errors.html`, { width: 1280, scheme: 'light' })
  await browser.run('document.querySelector(".VPNavBarSearch button").click()')
  await waitFor('document.querySelector("#localsearch-input")')
  await browser.run(`(() => {
    const input = document.querySelector('#localsearch-input')
    input.value = 'FILE_MISMATCH'
    input.dispatchEvent(new Event('input'))
  })()`)
  await waitFor('document.querySelector(".VPLocalSearchBox .result")')
  expect(await browser.run('document.querySelector(".VPLocalSearchBox .result").href')).toBe(
    `${address}/reference/errors/FILE_MISMATCH.html#file_mismatch`,
  )
  await browser.run(AXE)
  await savePicture('search')
  expect(await seriousViolations()).toEqual([])
})

test('nothing was requested from elsewhere, and no page failed', () => {
  expect(browser.events.filter((event) => !event.startsWith(`${address}/`) && !event.startsWith('data:'))).toEqual([])
  expect(browser.events.length).toBeGreaterThan(Object.keys(PAGES).length)
})

async function seriousViolations(): Promise<unknown> {
  const found = await browser.run(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ target, failureSummary }) => target + ' ' + failureSummary).join('; ')))`)
  return found
}

async function waitFor(expression: string): Promise<void> {
  await browser.run(`new Promise((resolve) => {
    const look = () => (${expression} ? resolve() : setTimeout(look, 50))
    look()
  })`)
}

async function savePicture(name: string): Promise<void> {
  const { result } = await browser.send('Page.captureScreenshot', { format: 'png' })
  writeFileSync(join(PICTURES, `${name}.png`), Buffer.from((result as { data?: string }).data ?? '', 'base64'))
}
