import { generateKeyPairSync } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, loadRecord, TestJournal } from '../../packages/core/src/testing/journals.ts'
import { Browser } from './browser.ts'

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
const HOSTILE = `"><script>alert(1)</script><img src=https://x.example/ onerror=alert(1)>' onclick='alert(1)`
const LONG = 'Donaudampfschifffahrtsgesellschaft'.repeat(25)
const ROLE = 'urn:modelseal:role:0.1'

let directory: string
let page: string
let incident: string
let browser: Browser

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modelseal-pages-'))
  page = await writeHostilePage()
  incident = await writeHostileIncident()
  browser = await Browser.start()
})
afterAll(async () => {
  await browser.close()
  await rm(directory, { recursive: true, force: true })
})

async function writeHostilePage(): Promise<string> {
  const write = (name: string, content: string | Buffer) => writeFile(join(directory, name), content)
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [PROGRAM, ...args], { cwd: directory, stdio: 'pipe' })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await mkdir(join(directory, 'vad'))
  await write('vad/weights.bin', 'weights')
  await write('a.key', privateKey.export({ format: 'pem', type: 'pkcs8' }))
  run('sign', 'key', 'vad', '--private-key', 'a.key', '--signature', 'vad/model.sig')
  const results = [HOSTILE, LONG].map((text) => ({ metric: text, value: 1, unit: text, dataset: { name: text } }))
  const evaluation = { results, evaluatedOn: '2026-11-01T00:00:00Z', evaluator: HOSTILE, url: 'javascript:alert(1)' }
  const base = (name: string, digit: string) => ({
    name,
    uri: 'javascript:alert(1)',
    digest: { sha256: digit.repeat(64) },
    annotations: { [ROLE]: 'base-model' },
  })
  const provenance = {
    buildDefinition: {
      buildType: HOSTILE,
      externalParameters: { [HOSTILE]: LONG },
      resolvedDependencies: [base(HOSTILE, 'a'), base(LONG, 'b')],
    },
    runDetails: { builder: { id: `https://example.org/${LONG}` } },
  }
  for (const [type, content] of Object.entries({ evaluation, provenance })) {
    await write(`${type}.json`, JSON.stringify(content))
    run('attest', 'key', 'vad', '--private-key', 'a.key', '--type', type, '--from', `${type}.json`)
  }
  run('inspect', 'vad', '--html', 'page.html')
  return pathToFileURL(join(directory, 'page.html')).href
}

/** The page of an incident with the same names. */
async function writeHostileIncident(): Promise<string> {
  await mkdir(join(directory, 'journal'))
  const journal = new TestJournal(join(directory, 'journal'), HOSTILE)
  for (const service of [HOSTILE, LONG]) {
    const segment = journal.segment({ service, host: HOSTILE })
    for (let index = 0; index < 30; index++) {
      const [time, name] = [`2026-11-02T${String(index % 24).padStart(2, '0')}:00:00.000Z`, index % 2 ? HOSTILE : LONG]
      const refused = index > 25 ? ({ decision: 'refused', code: 'KEY_REVOKED' } as const) : {}
      segment.add(loadRecord({ time, model: { name, path: name }, rootDigest: digestOf(`${index % 4}`), ...refused }))
    }
    segment.commit()
  }
  const env = { ...process.env, MODELSEAL_CACHE: join(directory, 'cache') }
  const args = [PROGRAM, 'incident', '--signer', 'release', 'journal', '--html', 'incident.html']
  execFileSync(process.execPath, args, { cwd: directory, stdio: 'pipe', env })
  return pathToFileURL(join(directory, 'incident.html')).href
}

const VIEWS = [1280, 390].flatMap((width) =>
  ['light', 'dark'].flatMap((scheme) => ['model', 'incident'].map((of) => ({ width, scheme, of }))),
)
const pageOf = (of: string) => (of === 'model' ? page : incident)

describe.each(VIEWS)('the page of a $of with hostile names, $width pixels wide, $scheme:', ({ of, ...view }) => {
  beforeEach(() => browser.open(pageOf(of), view))

  test('is not wider than the screen, but for what scrolls by itself', async () => {
    expect(await browser.run('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(0)
    expect(
      await browser.run(`[...document.querySelectorAll('main *')].filter((one) =>
      !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth + 1).length`),
    ).toBe(0)
  })

  test('has text that stands out from its background (WCAG 2.2, 1.4.3)', async () => {
    const low = await browser.run(`(() => {
      const channels = (color) => color.match(/[\\d.]+/g).map(Number)
      const luminance = (color) => {
        const [r, g, b] = channels(color).map((one) => one / 255).map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
      }
      const behind = (one) => {
        for (; one; one = one.parentElement) {
          const back = getComputedStyle(one).backgroundColor
          if (channels(back)[3] !== 0) return back
        }
        return 'rgb(255, 255, 255)'
      }
      const contrast = (one) => {
        const [a, b] = [luminance(getComputedStyle(one).color), luminance(behind(one))].sort((x, y) => y - x)
        return (a + 0.05) / (b + 0.05)
      }
      const withText = [...document.querySelectorAll('body *:not(svg *)')].filter((one) =>
        [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
      return [withText.length > 50, withText.filter((one) => contrast(one) < 4.5).map((one) => one.outerHTML.slice(0, 80))]
    })()`)
    expect(low).toEqual([true, []])
  })
})

test.each(['model', 'incident'])(
  'no text of the page of a %s became an element, was run, or made a request',
  async (of) => {
    browser.events.length = 0
    await browser.open(pageOf(of), { width: 1280, scheme: 'light' })
    const found = `document.querySelectorAll('script, img, iframe, object, embed, [onclick], [onerror], [style]').length`
    expect(await browser.run(found)).toBe(0)
    expect(await browser.run('document.body.innerText.includes("<script>alert(1)</script>")')).toBe(true)
    expect(
      await browser.run('[...document.links].every(({ protocol, hash }) => /^https?:$/.test(protocol) || hash)'),
    ).toBe(true)
    expect([...new Set(browser.events)]).toEqual([pageOf(of)])
  },
)

test('a script in the page would not run', async () => {
  await browser.open(page, { width: 1280, scheme: 'light' })
  await browser.run(
    `document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = true' }))`,
  )
  expect(await browser.run('window.ran')).toBeUndefined()
})
