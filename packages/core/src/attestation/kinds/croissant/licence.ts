import { cycloneDxLibrary } from '../cyclonedx-library.ts'
import { defined } from '../values.ts'
import type { Thing } from './json-ld.ts'

/** Pages about licences whose addresses contain their ids of SPDX, in any case. */
const PAGES: readonly (readonly [page: RegExp, id: string])[] = [
  [/^https?:\/\/(?:www\.)?spdx\.org\/licenses\/([\w.+-]+?)(?:\.html|\.json)?$/i, '$1'],
  [/^https?:\/\/(?:www\.)?opensource\.org\/licenses?\/([\w.+-]+)\/?$/i, '$1'],
  [/^https?:\/\/(?:www\.)?choosealicense\.com\/licenses\/([\w.+-]+)\/?$/i, '$1'],
  [/^https?:\/\/(?:www\.)?apache\.org\/licenses\/LICENSE-2\.0(?:\.txt|\.html)?$/i, 'Apache-2.0'],
  [
    /^https?:\/\/(?:www\.)?creativecommons\.org\/publicdomain\/zero\/([\d.]+)(?:\/(?:deed|legalcode)[\w.-]*)?\/?$/i,
    'CC0-$1',
  ],
  [
    /^https?:\/\/(?:www\.)?creativecommons\.org\/licenses\/([a-z-]+)\/([\d.]+)(?:\/(?:deed|legalcode)[\w.-]*)?\/?$/i,
    'CC-$1-$2',
  ],
]

/** A licence in CycloneDX: the id of SPDX if it has one, or else its name and address. */
export function licenceOf({ name, url }: Thing): object {
  const { SPDX } = cycloneDxLibrary()
  for (const stated of [name, idOnPage(name), idOnPage(url)]) {
    const id = stated === undefined ? undefined : SPDX.fixupSpdxId(stated)
    if (id !== undefined) return { id }
  }
  return { name: name ?? url, ...defined({ url }) }
}

function idOnPage(url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  const [page, id] = PAGES.find(([known]) => known.test(url)) ?? []
  return page && id !== undefined ? url.replace(page, id) : undefined
}
