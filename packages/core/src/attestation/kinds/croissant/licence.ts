import { cycloneDxLibrary } from '../cyclonedx-library.ts'
import { defined, unique } from '../values.ts'
import type { Thing } from './json-ld.ts'

/** Pages about licences whose addresses contain their ids of SPDX, in any case, or what follows the name of a family in them. */
const PAGES: readonly (readonly [page: RegExp, family?: string])[] = [
  [/^https?:\/\/(?:www\.)?spdx\.org\/licenses\/([\w.+-]+?)(?:\.html|\.json)?$/i],
  [/^https?:\/\/(?:www\.)?opensource\.org\/licenses?\/([\w.+-]+)\/?$/i],
  [/^https?:\/\/(?:www\.)?choosealicense\.com\/licenses\/([\w.+-]+)\/?$/i],
  [/^https?:\/\/(?:www\.)?apache\.org\/licenses\/LICENSE-(2\.0)(?:\.txt|\.html)?$/i, 'Apache'],
  [
    /^https?:\/\/(?:www\.)?creativecommons\.org\/publicdomain\/zero\/([\d.]+)(?:\/(?:deed|legalcode)[\w.-]*)?\/?$/i,
    'CC0',
  ],
  [
    /^https?:\/\/(?:www\.)?creativecommons\.org\/licenses\/([a-z-]+)\/([\d.]+)(?:\/(?:deed|legalcode)[\w.-]*)?\/?$/i,
    'CC',
  ],
]

/** A licence in CycloneDX: the id of SPDX if it has one, or else its name and address. */
export function licenceOf({ name, url }: Thing): object {
  const { SPDX } = cycloneDxLibrary()
  const stated = unique([name, ...unique([name, url]).map((one) => idOnPage(one))])
  const [id] = unique(stated.map((one) => SPDX.fixupSpdxId(one)))
  return id === undefined ? { name: name ?? url, ...defined({ url }) } : { id }
}

function idOnPage(url: string): string | undefined {
  for (const [page, ...family] of PAGES) {
    const match = page.exec(url)
    if (match) return [...family, ...match.slice(1)].join('-')
  }
  return undefined
}
