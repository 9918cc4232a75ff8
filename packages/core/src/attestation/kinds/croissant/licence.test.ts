import { describe, expect, test } from 'vitest'
import { licenceOf } from './licence.ts'

const CC = 'creativecommons.org/licenses/by-nc-sa/4.0'
const CC0 = 'creativecommons.org/publicdomain/zero/1.0'

/** Pages without their scheme, by the ids of their licences. */
const PAGES: readonly (readonly [id: string, pages: readonly string[]])[] = [
  ['MIT', ['spdx.org/licenses/MIT', 'spdx.org/licenses/mit.html', 'SPDX.org/licenses/MIT.json']],
  ['GPL-2.0+', ['spdx.org/licenses/GPL-2.0+.html']],
  ['MIT', ['opensource.org/license/mit', 'opensource.org/license/mit/', 'opensource.org/licenses/MIT']],
  ['BSD-3-Clause', ['opensource.org/license/bsd-3-clause']],
  ['MIT', ['choosealicense.com/licenses/mit', 'choosealicense.com/licenses/mit/']],
  ['Apache-2.0', ['', '.txt', '.html'].map((end) => `apache.org/licenses/LICENSE-2.0${end}`)],
  ['CC0-1.0', ['', '/', '/deed', '/deed.de', '/legalcode', '/legalcode.zh-hans/'].map((end) => CC0 + end)],
  ['CC-BY-NC-SA-4.0', ['', '/', '/deed', '/deed.de', '/legalcode', '/legalcode.zh-hans/'].map((end) => CC + end)],
]

describe('the licence of a dataset', () => {
  test.each(PAGES)('is %s if it is given as %j', (id, pages) => {
    for (const page of pages)
      for (const url of ['http://', 'https://', 'https://www.'].map((start) => start + page))
        expect([url, licenceOf({ url })]).toEqual([url, { id }])
  })

  test('is not that of a page whose address only contains the address of a known one', () => {
    for (const page of PAGES.flatMap(([, pages]) => pages))
      for (const url of [
        `https://licences.example/https://${page}`,
        `https://${page}/-0`,
        `https://${page}?`,
        `https://${page.replace(/\.(?:org|com)/i, '$&.licences.example')}`,
        `https://${page.replace('.', '-')}`,
      ])
        expect(licenceOf({ url })).toEqual({ name: url, url })
  })

  test.each([
    [{ name: 'cc-by-4.0' }, { id: 'CC-BY-4.0' }],
    [{ name: 'The licence', url: 'https://spdx.org/licenses/MIT' }, { id: 'MIT' }],
    [{ name: 'https://spdx.org/licenses/MIT', url: 'https://spdx.org/licenses/ISC' }, { id: 'MIT' }],
    [{ name: 'ISC', url: 'https://spdx.org/licenses/MIT' }, { id: 'ISC' }],
    [
      { name: 'House Rules', url: 'https://licences.example' },
      { name: 'House Rules', url: 'https://licences.example' },
    ],
    [{ name: 'see https://spdx.org/licenses/MIT' }, { name: 'see https://spdx.org/licenses/MIT' }],
    [{ url: 'https://licences.example' }, { name: 'https://licences.example', url: 'https://licences.example' }],
  ])('that is stated as %j is %j', (stated, expected) => {
    expect(licenceOf(stated)).toEqual(expected)
  })
})
