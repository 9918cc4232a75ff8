import { faultsIn } from '../../../../packages/core/src/attestation/kinds/kind.ts'
import { JsonLdContext, JsonLdNode } from '../../../../packages/core/src/attestation/kinds/croissant/json-ld.ts'
import { activeContext, expanded, Unsupported } from '../../json-ld-names.ts'
import { mustEqual, readOrRefusedWith, texts, type Target } from '../../target.ts'

const fault = faultsIn('ATTESTATION_INPUT', 'Cannot make a card', 'croissant.json')

const NAMESPACES = {
  rai: 'http://mlcommons.org/croissant/RAI/',
  cr: 'http://mlcommons.org/croissant/',
  sc: 'https://schema.org/',
  dct: 'http://purl.org/dc/terms/',
  prov: 'http://www.w3.org/ns/prov#',
}
const ELSEWHERE = 'https://other.example/'

// The input is a list: the context, and an object whose names are looked up, as are its values as classes.
const target: Target = {
  longest: 2048,
  dictionary: [
    ...Object.values(NAMESPACES).map((namespace) => `"${namespace}"`),
    ...[
      '"sc"',
      '"sc:',
      '"cr":',
      '"@id":',
      '"@reverse":',
      '"@vocab":',
      '"@type":',
      'null',
      '{}',
      ',{',
      '"name"',
      '"name":',
    ],
    ...['"p":', '"p:', '"t":', '"t"', ':', '//', `"${ELSEWHERE}"`, '"http://schema.org/name"', '"@base"'],
  ],
  seeds: () =>
    texts(
      ...[
        [{ '@vocab': 'https://schema.org/' }, { name: 'x', 'sc:name': 'Dataset' }],
        ['https://schema.org', { name: 'sc:Dataset', 'cr:citeAs': 7 }],
        [
          { '@vocab': ELSEWHERE, my: 'http://schema.org/' },
          { 'my:name': 'my:Dataset', citeAs: '', name: '' },
        ],
        [
          { title: { '@id': 'sc:name', '@type': '@id' }, name: null },
          { title: '', name: '', 'http://schema.org/x': '' },
        ],
        [[{ name: null }, { name: {} }], { name: '' }],
        [[{ '@vocab': ELSEWHERE }, { name: 'sc:name' }, { name: { '@type': '@id' } }], { name: '' }],
        [
          { t: 'u', u: 'p:name', p: 'sc' },
          { t: '', u: '', 'p:name': '' },
        ],
        [[{ p: 'https://schema.org/', t: 'p:name' }, { p: ELSEWHERE }], { t: '', 'p:name': '' }],
        [[{ t: 'p:name' }, { p: 'https://schema.org/' }], { t: '', 'p:name': '' }],
        [[{ name: {} }, { '@vocab': null }], { name: '', text: '' }],
        [
          { title: 'heading', heading: 'title', name: { '@reverse': 'sc:about' } },
          { title: '', name: '' },
        ],
        [
          { http: ELSEWHERE, '': 'https://schema.org/' },
          { 'http://schema.org/name': '', ':name': '' },
        ],
      ].map((input) => JSON.stringify(input)),
    ),
  async check(input) {
    const parsed = parsedOrNothing(input)
    if (!Array.isArray(parsed)) return
    const [context, node] = parsed as unknown[]
    const read = await readOrRefusedWith(/^ATTESTATION_INPUT$/, () =>
      Promise.resolve().then(() => new JsonLdContext(context, fault)),
    )
    if ('refused' in read || typeof node !== 'object' || node === null) return
    const contexts = [context].flat()
    for (const name of [...Object.keys(node), ...(Object.values(node) as unknown[])].filter(
      (one) => typeof one === 'string',
    )) {
      const term = read.value.termOf(name)
      const expected = termFor(name, contexts)
      if (expected !== UNSUPPORTED) mustEqual(term, expected, `What ${JSON.stringify(name)} stands for`)
      mustEqual(new JsonLdContext(reversed(context), fault).termOf(name), term, 'In another order')
      if (term !== undefined)
        mustEqual(new JsonLdNode({ '@type': name }, read.value, fault).isA(term), true, 'Whether it is of the class')
    }
  },
}
export default target

const UNSUPPORTED = Symbol('unsupported')

function termFor(name: string, contexts: readonly unknown[]): string | undefined | typeof UNSUPPORTED {
  try {
    const iri = expanded(name, activeContext(contexts))?.replace(/^http:\/\/schema\.org\//, NAMESPACES.sc) ?? ''
    const [prefix, namespace = ''] = Object.entries(NAMESPACES).find(([, start]) => iri.startsWith(start)) ?? []
    return prefix === undefined ? undefined : `${prefix}:${iri.slice(namespace.length)}`
  } catch (error) {
    if (error instanceof Unsupported) return UNSUPPORTED
    throw error
  }
}

/** The same contexts, with their terms in the other order. */
function reversed(context: unknown): unknown {
  if (Array.isArray(context)) return context.map(reversed)
  if (typeof context !== 'object' || context === null) return context
  return Object.fromEntries(Object.entries(context).toReversed())
}

function parsedOrNothing(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString())
  } catch {
    return undefined
  }
}
