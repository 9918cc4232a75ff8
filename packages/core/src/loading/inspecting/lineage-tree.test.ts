import { describe, expect, test } from 'vitest'
import { ROLE_ANNOTATION } from '../../attestation/kinds/provenance.ts'
import { lineageTree, type LineageNode } from './lineage-tree.ts'
import type { WeighedAttestation } from './weighed-attestation.ts'

const sha = (number: number) => number.toString(16).padStart(64, '0')
const ROOT = sha(0)

interface Input {
  of: number
  name?: string
  role?: string
}

/** A provenance statement: a model was made from others. */
function made(
  subjects: number | readonly number[],
  from: readonly (number | Input)[],
  more: Partial<WeighedAttestation> = {},
): WeighedAttestation {
  const resolvedDependencies = from
    .map((one) => (typeof one === 'number' ? { of: one } : one))
    .map(({ of, role = 'base-model', ...rest }) => ({
      ...rest,
      digest: { sha256: sha(of) },
      annotations: { [ROLE_ANNOTATION]: role },
    }))
  return {
    path: 'claims.jsonl:1',
    kind: 'provenance',
    subjects: [subjects].flat().map((subject) => ({ sha256: sha(subject) })),
    content: { buildDefinition: { resolvedDependencies } },
    belief: 'claimed',
    why: '',
    ...more,
  }
}

const treeOf = (...attestations: WeighedAttestation[]) => lineageTree(ROOT, attestations)

/** The numbers of the nodes, with their reasons to end: `1(2 3:circle)`. */
function drawn(node: LineageNode | undefined): string {
  if (!node) return 'nothing'
  const { cut, more, ancestors } = node
  const above = ancestors.length > 0 ? `(${ancestors.map(drawn).join(' ')})` : ''
  return `${parseInt(node.sha256, 16)}${above}${cut ? `:${cut}` : ''}${more === undefined ? '' : `+${more}`}`
}

const drawnTree = (...attestations: WeighedAttestation[]) => drawn(treeOf(...attestations))

test('says who states what', () => {
  expect(
    treeOf(
      made(
        0,
        [
          { of: 1, name: 'base' },
          { of: 2, role: 'dataset' },
        ],
        { belief: 'verified' },
      ),
    ),
  ).toEqual({
    sha256: ROOT,
    statedBy: [],
    belief: 'claimed',
    ancestors: [
      {
        sha256: sha(1),
        role: 'base-model',
        name: 'base',
        statedBy: [{ path: 'claims.jsonl:1', belief: 'verified' }],
        belief: 'verified',
        ancestors: [],
      },
      {
        sha256: sha(2),
        role: 'dataset',
        statedBy: [{ path: 'claims.jsonl:1', belief: 'verified' }],
        belief: 'verified',
        ancestors: [],
      },
    ],
  })
})

describe('takes no notice of', () => {
  test.each<[string, WeighedAttestation]>([
    ['statements of another kind', made(0, [1], { kind: 'evaluation' })],
    ['statements whose content was left out', made(0, [1], { content: undefined })],
    [
      'statements that cannot be read',
      made(0, [1], { error: { code: 'ATTESTATION_MALFORMED', message: '' } as never }),
    ],
    ['statements about other contents', made(1, [2])],
    ['statements about the same contents under other names', made(0, [1], { isAbout: false })],
    ['statements without ancestors', made(0, [])],
    ['statements about nothing', made([], [1])],
  ])('%s', (_, statement) => {
    expect(treeOf(statement)).toBeUndefined()
    expect(drawnTree(statement, made(0, [7]))).toMatch(/^0\(7\)$/)
  })

  test('which model it is that an ancestor was made from, unless it has the digest of this one', () => {
    expect(drawnTree(made(0, [1]), made(1, [2], { isAbout: false }))).toBe('0(1(2))')
    const two = made([0, 1], [2], { isAbout: false })
    expect(drawnTree(made(0, [1]), two)).toBe('0(1(2))')
  })

  test('statements without subjects', () => {
    const nothing = made(0, [1])
    delete nothing.subjects
    expect(treeOf(nothing)).toBeUndefined()
  })
})

test('an ancestor that several state is there once, with the first name and belief, and those who state it', () => {
  const tree = treeOf(
    made(0, [{ of: 1, name: 'base' }], { path: 'a', belief: 'believed' }),
    made(0, [{ of: 1, name: 'other' }, 1], { path: 'b' }),
    made(0, [1], { path: 'a' }),
  )
  expect(tree?.ancestors).toEqual([
    {
      sha256: sha(1),
      role: 'base-model',
      name: 'base',
      belief: 'believed',
      statedBy: [
        { path: 'a', belief: 'believed' },
        { path: 'b', belief: 'claimed' },
      ],
      ancestors: [],
    },
  ])
})

test('the same contents as a model and as a dataset are two ancestors', () => {
  const tree = treeOf(made(0, [1, { of: 1, role: 'dataset' }]))
  expect(tree?.ancestors.map(({ role }) => role)).toEqual(['base-model', 'dataset'])
})

test('a statement that names a subject twice counts once', () => {
  expect(treeOf(made([0, 0], [1]))?.ancestors[0]?.statedBy).toHaveLength(1)
})

test('at most 20 who state the same are named', () => {
  const many = Array.from({ length: 25 }, (_, at) => made(0, [1], { path: `${at}` }))
  expect(treeOf(...many)?.ancestors[0]?.statedBy.map(({ path }) => path)).toEqual(
    Array.from({ length: 20 }, (_, at) => `${at}`),
  )
})

test('only the first thousand stated ancestors of one model count', () => {
  const [first, second] = [600, 600].map((length, part) => Array.from({ length }, (_, at) => 1 + part * 600 + at))
  expect(treeOf(made(0, first!), made(0, second!))?.more).toBe(800)
  expect(treeOf(made(0, first!), made(0, second!), made(0, [5_000]))?.more).toBe(800)
})

describe('ends', () => {
  test('where a model is its own ancestor', () => {
    expect(drawnTree(made(0, [0]))).toBe('0(0:circle)')
    expect(drawnTree(made(0, [1]), made(1, [2]), made(2, [0, 1, 3]))).toBe('0(1(2(0:circle 1:circle 3)))')
  })

  test('where ancestors were shown before, if there are any', () => {
    expect(drawnTree(made(0, [1, 2]), made(1, [3, 4]), made(2, [3, 4]), made(3, [5]))).toBe(
      '0(1(3(5) 4) 2(3:repeated 4))',
    )
  })

  test('after ten generations', () => {
    const chain = Array.from({ length: 12 }, (_, at) => made(at, [at + 1]))
    const line = (length: number, last: string) =>
      `${Array.from({ length }, (_, at) => at).join('(')}(${last}${')'.repeat(length)}`
    expect(drawnTree(...chain)).toBe(line(10, '10:deep'))
    expect(drawnTree(...chain.slice(0, 10))).toBe(line(10, '10'))
  })

  test('after 200 ancestors, and says how many more there are', () => {
    const many = Array.from({ length: 199 }, (_, at) => at + 1)
    expect(treeOf(made(0, many))?.more).toBeUndefined()
    const tree = treeOf(made(0, many), made(1, [1_001, 1_002, 1_003]), made(2, [1_004]))
    expect(tree?.more).toBeUndefined()
    expect(tree?.ancestors.slice(0, 3).map(drawn)).toEqual(['1(1001)+2', '2+1', '3'])
  })
})
