import type { AttestedContents, LineageNode, WeighedAttestation } from '@modelseal/core/attestation'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inline, reportMarkdown } from './markdown.ts'
import { reportPage } from './page.ts'
import { reportOf, type Extent } from './report.ts'
import { reportLines } from './text.ts'
import { escaped, webAddress } from '../pages/visible.ts'

const SHA = 'a'.repeat(64)
const PAGE: Extent = { attestations: 200, rows: 100, characters: 20_000, show: (text) => text }

/** The same text in every field that somebody else writes. */
function contentsOf(text: string): AttestedContents {
  const dataset = { name: text, digest: { sha256: SHA } }
  const card = {
    name: text,
    version: text,
    description: text,
    timestamp: text,
    licences: [text],
    authors: [text],
    suppliers: [text],
    tags: [text, text],
    languages: [text],
    ancestors: [text],
  }
  return {
    evaluation: {
      result: 'FAILED',
      configuration: [],
      url: text,
      passedTests: [text],
      warnedTests: [text],
      failedTests: [text],
      evaluator: text,
      results: [{ metric: text, value: 0.5, unit: text, dataset, slice: text, comparator: '>=', threshold: 1 }],
    },
    'model-card': {
      ...card,
      task: text,
      architecture: text,
      library: text,
      datasets: [text],
      useCases: [text],
      limitations: [text],
      metrics: [{ metric: text, value: text, slice: text }],
    },
    'data-card': {
      ...card,
      tasks: [text],
      sizes: [text],
      classifications: [text],
      sensitiveData: [text],
      urls: [text],
      citations: [text],
    },
    provenance: {
      buildDefinition: {
        buildType: text,
        externalParameters: { [text]: text },
        resolvedDependencies: [{ name: text, uri: text, digest: { [text]: text } }],
      },
      runDetails: { builder: { id: text }, metadata: { invocationId: text, startedOn: text } },
    },
    'verification-summary': {
      verifier: { id: text },
      resourceUri: text,
      policy: { uri: text },
      verificationResult: 'PASSED',
      verifiedLevels: [text],
    },
  }
}

function knownWith(text: string) {
  const statement = (kind: string | undefined, content: unknown): WeighedAttestation => ({
    path: text,
    type: text,
    ...(kind !== undefined && { kind }),
    content,
    statedAt: text,
    belief: 'claimed',
    why: text,
    signer: { description: text },
  })
  const attestations = [
    ...Object.entries(contentsOf(text)).map(([kind, content]) => statement(kind, content)),
    statement(undefined, { [text]: [text] }),
    { ...statement(undefined, {}), belief: 'verified' as const, verifiedSigner: signerNamed(text) },
    { ...statement(undefined, {}), error: { code: 'JSON_INVALID', message: text } as never },
  ]
  const node = (ancestors: LineageNode[]): LineageNode => ({
    sha256: SHA,
    role: 'dataset',
    name: text,
    uri: text,
    statedBy: [],
    belief: 'claimed',
    ancestors,
  })
  const values = [0, 1].map((value) => ({ value, path: text, belief: 'claimed' as const }))
  return {
    inspection: { model: text, revision: text, requested: `${text}x`, bundles: [bundleWith(text)], attestations },
    verdict: undefined,
    attestations,
    contradictions: [{ signer: text, metric: text, unit: text, slice: text, dataset: { name: text }, values }],
    lineage: node([node([node([])]), { ...node([]), cut: 'circle' as const, more: 3 }]),
  }
}

const signerNamed = (text: string) => ({ method: 'key', name: text, fingerprint: SHA, description: text }) as const

function bundleWith(text: string) {
  const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false, ignorePaths: [text] } as const
  const statement = {
    ...serialization,
    name: text,
    rootDigest: SHA,
    modelIdentity: SHA,
    files: [{ name: text, digests: [], size: 1 }],
  }
  const signer = { description: text, identity: text, issuer: text, subject: text, subjectAltNames: [text] }
  return { path: text, method: 'key', signer, statement, policy: text, other: text } as const
}

const pageWith = (text: string) => reportPage(reportOf(knownWith(text), PAGE))
const markdownWith = (text: string) => reportMarkdown(reportOf(knownWith(text), PAGE))

const HOSTILE = [
  '"><script>alert(1)</script>',
  `' onmouseover='alert(1)`,
  '</pre></style><!-- -->',
  'javascript:alert(1)',
  'https://x.example/"><img src=x onerror=alert(1)>',
  'data:text/html,<script>1</script>',
  '&lt;script&gt;',
  '\u202Egnp.exe\u2066\u200B',
  '\u0000\u0007\u001B[31m\r\n\u2028\u0085',
  '| a | b |\n|---|---|\n# heading\n```\n<b>',
  '[x](javascript:alert(1)) ![x](https://x.example) <https://x.example> **b** `c` \\| $x$ {{x}}',
  '````text\n```\n~~~',
  '\\',
  '\\|',
  'W'.repeat(100_000),
  '\uD800',
]

const text = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.string({ minLength: 1, unit: fc.constantFrom(...'<>"\'`&|\\[]()!*_~#:/\n\r\t\u202E -') }),
)

/** The tags without the values of their attributes. */
function shapes(html: string): Set<string> {
  return new Set((html.match(/<[^>]*>?/g) ?? []).map((tag) => tag.replace(/="[^"]*"/g, '=""')))
}

test('text is escaped for elements and for attributes in either kind of quotes', () => {
  expect(escaped(`<&>"'\``)).toBe('&#60;&#38;&#62;&#34;&#39;&#96;')
})

describe('in a page,', () => {
  const known = [...shapes(pageWith('x')), ...shapes(pageWith('https://x.example/'))]

  test('no text of the metadata becomes a tag, an attribute, or a character that reorders the text', () => {
    fc.assert(
      fc.property(text, (value) => {
        const html = pageWith(value)
        expect([...shapes(html)].filter((shape) => !known.includes(shape))).toEqual([])
        expect(html.replaceAll(/<style>.*?<\/style>/gs, '')).not.toMatch(/(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/u)
        for (const [, href = ''] of html.matchAll(/href="([^"]*)"/g)) expect(href).toMatch(/^(?:#|https?:\/\/)/)
      }),
    )
  })

  test('nothing can run or be loaded', () => {
    const html = pageWith('x')
    expect(html).toMatch(
      /Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[\w+/]+=*'; base-uri 'none'; form-action 'none'"/,
    )
    expect(html).not.toMatch(/<(?:script|img|link|iframe|object|embed|form)|\son\w+=|\sstyle=|url\(|@import/i)
  })

  test('links lead only to the web, and show where', () => {
    const html = pageWith('https://EXAMPLE.org/a?b="c')
    expect(html).toContain(
      '<a href="https://example.org/a?b=%22c" rel="noreferrer noopener nofollow">https://example.org/a?b=%22c</a>',
    )
    expect(pageWith('javascript:alert(1)')).not.toMatch(/href="(?!#)/)
  })

  test('there is a structure for those who do not see it', () => {
    const html = pageWith('x')
    const count = (pattern: RegExp) => html.match(pattern)?.length ?? 0
    expect([count(/<main /g), count(/<h1>/g), count(/<header>/g), count(/<footer>/g)]).toEqual([1, 1, 1, 1])
    expect(html).toContain('<html lang="en">')
    expect(count(/<table /g)).toBeGreaterThan(5)
    expect(count(/<caption>/g)).toBe(count(/<table /g))
    expect(count(/<th>/g)).toBe(0)
    expect(html).toMatch(/<svg role="img" aria-labelledby="drawing"[^>]*><title id="drawing">/)
    for (const words of ['Merely claimed', 'Signed, but not believed', 'Unreadable'])
      expect(html).toContain(`</span> ${words}</span>`)
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, id = ''] of html.matchAll(/(?:aria-labelledby="|href="#)([^"]*)"/g)) expect(ids).toContain(id)
  })

  test('elements that are opened are closed', () => {
    const open: string[] = []
    for (const [, end, name = '', rest = ''] of pageWith('x').matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
      if (end) expect(open.pop()).toBe(name)
      else if (!/^(?:meta|br)$/.test(name) && !rest.endsWith('/')) open.push(name)
    }
    expect(open).toEqual([])
  })

  test('the number of attestations is bounded, and none that is believed is left out', () => {
    const { attestations, ...known } = knownWith('x')
    const [first] = attestations
    const many = [{ ...first!, belief: 'believed' as const }, ...Array.from({ length: 999 }, () => first!)]
    const html = reportPage(reportOf({ ...known, attestations: many }, PAGE))
    expect(html.match(/<article id=/g)).toHaveLength(200)
    expect(html).toContain('And 800 more attestations')
    expect(html).toContain('</span> Believed</span>')
  })
})

test('what is shown stays small, however deep and long a statement is', () => {
  const { attestations, ...known } = knownWith('x')
  let content: unknown = Array.from({ length: 90_000 }, () => 1)
  for (let depth = 0; depth < 90; depth++) content = [content]
  const [first] = attestations
  const many = Array.from({ length: 200 }, () => ({ ...first!, kind: 'unheard-of', content }))
  const report = reportOf({ ...known, attestations: many }, PAGE)
  expect(reportPage(report).length).toBeLessThan(10_000_000)
})

describe('in Markdown,', () => {
  test('no text of the metadata has a meaning or breaks a table', () => {
    fc.assert(
      fc.property(text, (value) => {
        const own = withoutCode(markdownWith(value))
        expect(own).not.toMatch(/[<>`[\]!$@]|(?<!\\)\\(?!_)|:\/\//)
        expect(own).not.toMatch(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/u)
        for (const block of own.split('\n\n').filter((one) => one.startsWith('|'))) {
          const widths = block.split('\n').map((line) => line.match(/\|/g)?.length)
          expect(new Set(widths).size).toBe(1)
        }
        const expected = ['#', '##', '###']
        for (const [, marks] of own.matchAll(/^(#+)/gm)) expect(expected).toContain(marks)
      }),
    )
  })

  test('text stays readable', () => {
    expect(inline('word_error_rate of 0.5 (test-set, 50%)')).toBe('word\\_error\\_rate of 0.5 (test-set, 50%)')
    expect(inline('0.94')).toBe('0.94')
  })

  test.each([
    ['- x', '&#45; x'],
    ['---', '&#45;--'],
    ['+ x', '&#43; x'],
    ['1. x', '1&#46; x'],
    ['12) x', '12&#41; x'],
    ['    x', '&#32;   x'],
  ])('the name %j in a list begins no list, line or code', (name, written) => {
    expect(inline(name)).toBe(written)
    expect(markdownWith(name)).toContain(`- ${written} sha256:`)
  })
})

/** What is outside of blocks of code. */
function withoutCode(markdown: string): string {
  const lines: string[] = []
  let fence: string | undefined
  for (const line of markdown.split('\n')) {
    if (fence === undefined) {
      fence = /^(`{3,})text$/.exec(line)?.[1]
      if (fence === undefined) lines.push(line)
      // CommonMark 4.5: a line of at least as many backticks, indented by up to three spaces.
    } else if (new RegExp(`^ {0,3}\`{${fence.length},}\\s*$`).test(line)) fence = undefined
  }
  return lines.join('\n')
}

test('content that was left out is said to be', () => {
  const { attestations, ...known } = knownWith('x')
  const first = { ...attestations[0]! }
  delete first.content
  const report = reportOf({ ...known, attestations: [first] }, PAGE)
  for (const text of [reportPage(report), reportMarkdown(report), reportLines(report, PAGE.show).join('\n')])
    expect(text).toContain('left out, because there is too much')
})

test('text for a terminal quotes what others wrote, and tells its lines from its own', () => {
  const extent = { ...PAGE, show: (value: string) => JSON.stringify(value) }
  const lines = reportLines(reportOf(knownWith('x\nBELIEVED: Evaluation'), extent), extent.show)
  expect(lines.filter((line) => line.startsWith('BELIEVED'))).toEqual([])
  expect(lines).toContain('    | BELIEVED: Evaluation')
})

test.each([
  ['https://example.org', 'https://example.org/'],
  ['http://bücher.example/', 'http://xn--bcher-kva.example/'],
  ['https://good.example@evil.example/', undefined],
  ['javascript:alert(1)', undefined],
  [' https://example.org', undefined],
  ['https://', undefined],
])('the address %j is a link to %j', (given, expected) => {
  expect(webAddress(given)).toBe(expected)
})
