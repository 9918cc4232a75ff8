import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { ModelSealError, openVerifiedModel, VERDICT_CHANNEL, type OpenOptions, type Verdict } from '@modelseal/core'
import { digestModel } from '@modelseal/core/signing'
import { filesAt, type ModelFiles, type ModelSource, type SourceSession } from '@modelseal/core/source'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Workspace } from '../signed-models.ts'

// A source is other people's code, which keeps references to its buffers and may return anything. None of that may replace the hashed bytes.

const URL = 'store://models/vad'
const GOOD = 'the signed weights'
const EVIL = 'weights of a thief'
const TIMEOUTS = { idle: 200, total: 400 }
const UNTIMED = { idle: Infinity, total: Infinity }
const never = () => new Promise<never>(() => {})

let workspace: Workspace
let policy: string
let signed: string
let content: Map<string, Uint8Array>

beforeAll(async () => {
  workspace = new Workspace()
  signed = await workspace.sign('m', { 'weights.bin': GOOD, 'config.json': '{}' })
  content = new Map(readdirSync(signed).map((name) => [name, readFileSync(join(signed, name))]))
  policy = policyWith('policy', { signers: '[{ key: publisher }]' })
})
afterAll(() => workspace[Symbol.dispose]())

function policyWith(name: string, rule: Record<string, string>, more = ''): string {
  const path = join(workspace.path, `${name}.yaml`)
  const fields = Object.entries({ name, match: '{ url: "store://models/**" }', ...rule })
  const text = fields.map(([field, value]) => `${field}: ${value}`).join(', ')
  writeFileSync(
    path,
    `version: 1\ntrustRoots: { publisher: { publicKey: release.pub } }\nrules: [{ ${text} }]\n${more}`,
  )
  return path
}

interface Given {
  /** Replaces reading `weights.bin`. */
  read?: (...of: Parameters<ModelFiles['read']>) => unknown
  files?: object
  session?: object
}

function source({ read, files: ofFiles, session: ofSession }: Given): ModelSource {
  const files = {
    path: URL,
    name: 'vad',
    isFile: false,
    async read(
      request: Parameters<ModelFiles['read']>[0],
      receive: Parameters<ModelFiles['read']>[1],
    ): Promise<unknown> {
      if (read && request.name === 'weights.bin') return read(request, receive)
      const bytes = content.get(request.name)
      return bytes && receive({ size: bytes.length, chunks: [bytes] })
    },
  }
  const bundle = {
    path: `${URL}/model.sig`,
    read: (request: object, receive: never) => files.read({ ...request, name: 'model.sig' } as never, receive),
  }
  const session = { model: () => merged(files, ofFiles), bundles: () => [{ candidates: [bundle] }] }
  return { place: { url: URL }, open: () => merged(session, ofSession) as unknown as SourceSession }
}

/** Preserves getters. */
function merged<T extends object>(own: T, given: object = {}): T {
  const copy: T = { ...own }
  Object.defineProperties(copy, Object.getOwnPropertyDescriptors(given))
  return copy
}

async function outcome(given: Given, options: OpenOptions = {}, place = false): Promise<string> {
  const handed: string[] = []
  try {
    await using model = await openVerifiedModel(source(given), { policy, ...options })
    for (let time = 0; time < 2; time++) handed.push(Buffer.from(await model.read('weights.bin')).toString())
    if (place) {
      const { path } = await model.place(['weights.bin'], { isolation: 'copy' })
      handed.push(readFileSync(path('weights.bin'), 'utf8'))
    }
  } catch (error) {
    return (error as { code: string }).code
  }
  return [...new Set(handed)].join()
}

describe.each([
  ['that is watched', TIMEOUTS],
  ['without timeouts', UNTIMED],
])('a source %s', (_, timeouts) => {
  const session = { timeouts }

  test('cannot return anything other than what was received', async () => {
    const forged = { finish: () => Buffer.from(EVIL), close: () => {}, add: () => [] }
    expect(await outcome({ session, read: async () => forged })).toBe('FILE_MISSING')
    const hidden = async (_: unknown, receive: (body: object) => Promise<void>) => {
      await receive({ chunks: [Buffer.from(EVIL)] }).catch(() => {})
      return forged
    }
    expect(await outcome({ session, read: hidden as never })).toBe('FILE_MISMATCH')
  })

  test('gets no reference to the received bytes', async () => {
    const got: unknown[] = []
    const read: Given['read'] = async (_, receive) => {
      await receive({ chunks: [Buffer.from(GOOD)] }).then((answer: unknown) => got.push(answer))
    }
    expect(await outcome({ session, read })).toBe(GOOD)
    expect([...new Set(got)]).toEqual([undefined])
  })

  test('cannot change what is compared', async () => {
    const read: Given['read'] = async ({ signed: expected }, receive) => {
      const digests = expected?.digests as string[]
      digests.splice(0, 1, createHash('sha256').update(EVIL).digest('hex'))
      return receive({ chunks: [Buffer.from(EVIL)] })
    }
    expect(await outcome({ session, read })).toBe('FILE_MISMATCH')
  })

  test.each(['memory', 'shared memory'])('changes nothing by writing later to its own %s', async (kind) => {
    const memory = kind === 'memory' ? new ArrayBuffer(GOOD.length) : new SharedArrayBuffer(GOOD.length)
    const piece = Buffer.from(memory)
    let isOpen = true
    const read: Given['read'] = async (_, receive) => {
      piece.write(GOOD)
      const received = receive({ chunks: [piece] })
      const overwrite = () => {
        piece.write(EVIL)
        if (isOpen) setImmediate(overwrite)
      }
      setImmediate(overwrite)
      await received
      overwrite()
    }
    // If that turn came first, the wrong bytes were provided.
    expect([GOOD, 'FILE_MISMATCH']).toContain(await outcome({ session, read }, {}, true))
    isOpen = false
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'cannot hide bytes behind a length of its own (%d)',
    async (at) => {
      const plain = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')?.get
      const read: Given['read'] = (_, receive) => {
        const piece = new Uint8Array(Buffer.from(GOOD + EVIL))
        let reads = 0
        Object.defineProperty(piece, 'length', {
          get: () => (++reads === at ? GOOD.length : Reflect.apply(plain as () => number, piece, [])),
        })
        return receive({ chunks: [piece] })
      }
      expect(await outcome({ session, read }, {}, true)).toBe('FILE_MISMATCH')
    },
  )

  test.each([
    ['a string', GOOD],
    ['an array', [...Buffer.from(GOOD)]],
    ['a view of 16 bits', new Uint16Array(4)],
    ['an object with the prototype of one', Object.create(Uint8Array.prototype) as unknown],
  ])('is refused where a piece is %s', async (_kind, piece) => {
    expect(await outcome({ session, read: (_, receive) => receive({ chunks: [piece as never] }) })).toBe(
      'SOURCE_FAILED',
    )
  })

  test('may give bytes of another realm', async () => {
    const bytes = runInNewContext('Uint8Array.from(given)', { given: [...Buffer.from(GOOD)] }) as Uint8Array
    expect(await outcome({ session, read: (_, receive) => receive({ chunks: [bytes] }) })).toBe(GOOD)
  })

  test('ends when the caller aborts', async () => {
    expect(await outcome({ session, read: never }, { signal: AbortSignal.timeout(50) })).toBe('ABORTED')
    const list = function* () {
      for (let index = 0; ; index++) yield { name: `f${index % 10}` }
    }
    expect(await outcome({ session, files: { list } }, { signal: AbortSignal.timeout(50) })).toBe('ABORTED')
  })

  test('cannot choose what a rule tolerates by throwing errors', async () => {
    const audit = policyWith(
      'audit',
      { signers: '[{ key: publisher }]', mode: 'audit', reason: 'test' },
      `revoked: { fileDigests: [ "sha256:${digestOf(GOOD)}" ] }\n`,
    )
    const read: Given['read'] = (_, receive) =>
      receive({ chunks: [Buffer.from(GOOD)] }).catch((error: unknown) => {
        throw Object.assign(error as Error, { code: 'FILE_MISMATCH' })
      })
    expect(await outcome({ session, read }, { policy: audit })).toBe('FILE_REVOKED')
  })
})

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

const endlessly = <T>(value: T) =>
  (function* () {
    for (;;) yield value
  })()
const asyncEndlessly = <T>(value: T) =>
  (async function* () {
    for (;;) yield await Promise.resolve(value)
  })()

describe('the thread stays free', () => {
  test.each([
    ['empty pieces', () => endlessly(new Uint8Array(0)), 'SOURCE_FAILED'],
    ['empty pieces, one after the other', () => asyncEndlessly(new Uint8Array(0)), 'SOURCE_FAILED'],
    ['single bytes', () => endlessly(new Uint8Array(1)), 'FILE_MISMATCH'],
  ])('of %s without an end', async (_kind, chunks, code) => {
    const read: Given['read'] = (_, receive) => receive({ chunks: chunks() })
    expect([code, 'SOURCE_TIMEOUT']).toContain(await outcome({ session: { timeouts: TIMEOUTS }, read }))
  })

  test.each([
    ['at once', () => endlessly({ name: 'f' })],
    ['one after the other', () => asyncEndlessly({ name: 'f' })],
  ])('of a listing without an end, %s', async (_, list) => {
    expect(await outcome({ session: { timeouts: TIMEOUTS }, files: { list } })).toBe('SOURCE_TIMEOUT')
  })

  test('with endless groups of bundles', async () => {
    expect(await outcome({ session: { bundles: () => endlessly({ candidates: [] }) } })).toBe('SOURCE_FAILED')
  })

  test('while one large piece is hashed', async () => {
    let turns = 0
    const ticking = setInterval(() => turns++, 1)
    const read: Given['read'] = (_, receive) => receive({ chunks: [Buffer.alloc(64 << 20)] })
    const skip = policyWith('skip', { mode: 'skip', reason: 'test' })
    const load = openVerifiedModel(source({ read }), { policy: skip })
    await using model = await load
    turns = 0
    await model.read('weights.bin')
    clearInterval(ticking)
    expect(turns).toBeGreaterThan(1)
  })
})

describe('an answer of the wrong type is reported as a failure of the source', () => {
  const bundle = (given: object) => ({ session: { bundles: () => [{ candidates: [given] }] } })
  const thrower = (name: string) =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get: () => {
        throw new Error('no answer')
      },
    })
  const FORMS: [string, () => Given][] = [
    ['no model', () => ({ session: { model: () => undefined } })],
    ['null for the model', () => ({ session: { model: async () => null } })],
    ['a model without a path', () => ({ files: { path: undefined } })],
    ['a number for the path', () => ({ files: { path: 5 } })],
    ['a path that throws', () => ({ files: thrower('path') })],
    ['no way to read', () => ({ files: { read: 5 } })],
    ['a forged local place', () => ({ files: { local: { path: '/etc', kind: 'directory' } } })],
    ['null in a listing', () => ({ files: { list: () => [null] } })],
    ['an entry that throws', () => ({ files: { list: () => [thrower('name')] } })],
    ['a number for a listing', () => ({ files: { list: () => 5 } })],
    ['null for a group', () => ({ session: { bundles: () => [null] } })],
    [
      'no result of an iterator',
      () => ({ session: { bundles: () => ({ [Symbol.iterator]: () => ({ next: () => null }) }) } }),
    ],
    ['a number for candidates', () => ({ session: { bundles: () => [{ candidates: 5 }] } })],
    ['a bundle without a path', () => bundle({ read: never })],
    ['a bundle that cannot be read', () => bundle({ path: 'b' })],
    ['null for content', () => ({ read: (_: unknown, receive: (body: never) => unknown) => receive(null as never) })],
    [
      'content that throws',
      () => ({ read: (_: unknown, receive: (body: never) => unknown) => receive(thrower('chunks') as never) }),
    ],
    ['a revision that throws', () => ({ session: thrower('revision') })],
    ['no timeouts', () => ({ session: { timeouts: {} } })],
    ['a timeout that is no number', () => ({ session: { timeouts: { idle: 5n, total: 5 } } })],
    ['no limit', () => ({ session: { limit: { maxBytes: NaN, option: 'x' } } })],
  ]

  test.each(FORMS)('%s', async (_, given) => {
    expect(await outcome(given())).toBe('SOURCE_FAILED')
  })

  test.each([undefined, null, 5])('%s for a session', async (session) => {
    const load = openVerifiedModel({ place: { url: URL }, open: () => session as never }, { policy })
    await expect(load).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
  })

  test('but a timeout too long for any timer counts as a long one', async () => {
    const read: Given['read'] = async (_, receive) => {
      await new Promise((go) => setTimeout(go, 20))
      return receive({ chunks: [Buffer.from(GOOD)] })
    }
    expect(await outcome({ session: { timeouts: { idle: 1e12, total: 1e12 } }, read })).toBe(GOOD)
  })
})

describe('a session that is not used is closed once', () => {
  let closed: number
  const close = () => {
    closed++
  }
  const open = (given: ModelSource['open'], options: OpenOptions = {}) => {
    closed = 0
    return openVerifiedModel({ place: { url: URL }, open: given }, { policy, ...options })
  }

  test.each<[string, object]>([
    ['without a model', { close, bundles: () => [] }],
    ['with an invalid timeout', { close, bundles: () => [], model: () => {}, timeouts: {} }],
  ])('%s', async (_, session) => {
    for (const given of [() => session, async () => session])
      await expect(open(given as never)).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
    expect(closed).toBe(1)
  })

  test('even if it arrives after the load was aborted', async () => {
    const controller = new AbortController()
    let arrive: (session: never) => void = () => {}
    const later = new Promise<never>((resolve) => (arrive = resolve))
    const load = open(
      () => {
        controller.abort()
        return later
      },
      { signal: controller.signal },
    )
    await expect(load).rejects.toMatchObject({ code: 'ABORTED' })
    arrive({ close, bundles: () => [], model: () => {} } as never)
    await later
    expect(closed).toBe(1)
  })
})

describe('an answer that is a custom promise', () => {
  // Whoever awaits it calls its `then`, now or only the second time it is asked for.
  const callable = () => Object.assign(() => {}, { then: () => {} })
  const hidden = () => new Proxy({}, { has: () => false, get: (_, name) => (name === 'then' ? () => {} : undefined) })
  const later = () => {
    let asked = 0
    return new Proxy({}, { get: (_, name) => (name === 'then' && asked++ > 0 ? () => {} : undefined) })
  }

  test.each([
    ['is a function', callable],
    ['is hidden', hidden],
    ['only comes later', later],
  ])('and never settles ends with the load: it %s', async (_, answer) => {
    const skip = policyWith('skipped', { mode: 'skip', reason: 'test' })
    const answers: (() => Promise<unknown>)[] = [
      () =>
        openVerifiedModel({ place: { url: URL }, open: answer as never }, { policy, signal: AbortSignal.timeout(50) }),
      ...['model', 'unverified'].map(
        (name) => () =>
          openVerifiedModel(source({ session: { [name]: answer } }), { policy: skip, signal: AbortSignal.timeout(50) }),
      ),
    ]
    const codes = await Promise.all(
      answers.map((load) => load().catch((error: unknown) => (error as ModelSealError).code)),
    )
    for (const code of codes) expect(['ABORTED', 'SOURCE_FAILED']).toContain(code)
    const session = { timeouts: TIMEOUTS, close: answer }
    expect(await outcome({ session })).toBe(GOOD)
    expect(await outcome({ session: { timeouts: TIMEOUTS }, read: answer })).toMatch(/^SOURCE_TIMEOUT$|^FILE_MISSING$/)
  })
})

describe('an error that a source throws', () => {
  const thrown = (error: unknown): Given => ({
    session: {
      model: () => {
        throw error
      },
    },
  })
  const refusal = (given: Given) =>
    openVerifiedModel(source(given), { policy }).catch((error: unknown) => error as ModelSealError)

  test('becomes an error of the load, even if it is frozen or shared', async () => {
    const error = Object.freeze(new ModelSealError('FILE_UNREADABLE', 'Cannot read it.', { hint: 'Try again.' }))
    for (const given of [thrown(error), { session: { model: () => Promise.reject(error) } }]) {
      const [one, other] = [await refusal(given), await refusal(given)]
      expect(one).toMatchObject({ code: 'FILE_UNREADABLE', message: error.message, hint: 'Try again.' })
      expect(one).toMatchObject({ verdict: { decision: 'refused', error: { code: 'FILE_UNREADABLE' } } })
      expect(one).not.toBe(other)
      expect((one as ModelSealError).verdict).not.toBe((other as ModelSealError).verdict)
    }
    const read: Given['read'] = () => Promise.reject(error)
    expect(await outcome({ read })).toBe('FILE_UNREADABLE')
    const chunks = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
    }
    expect(await outcome({ read: (_, receive) => receive({ chunks: chunks as never }) })).toBe('FILE_UNREADABLE')
    expect(await outcome({ files: { list: () => chunks } })).toBe('FILE_UNREADABLE')
  })

  test.each([
    ['an unknown code', { code: 'ACCEPTED', message: 'x' }],
    ['the name of a method for a code', { code: 'constructor', message: 'x' }],
    ['no message', { code: 'FILE_MISSING' }],
  ])('does not get a code of modelseal if it has %s', async (_, fields) => {
    const forged = Object.assign(Object.create(null) as object, fields, { [Symbol.for('modelseal.error')]: true })
    expect(await refusal(thrown(forged))).toMatchObject({ code: 'SOURCE_FAILED', verdict: { decision: 'refused' } })
  })
})

describe('a source that does not close', () => {
  const failing = () => {
    throw new Error('stuck')
  }
  const evil: Given['read'] = (_, receive) => receive({ chunks: [Buffer.from(EVIL)] })

  test.each([
    ['never ends', never],
    ['throws', failing],
  ])('hides no refusal where it %s', async (_, close) => {
    const published: Verdict[] = []
    const note = (verdict: unknown) => void published.push(verdict as Verdict)
    subscribe(VERDICT_CHANNEL, note)
    expect(await outcome({ session: { timeouts: TIMEOUTS, close }, read: evil })).toBe('FILE_MISMATCH')
    unsubscribe(VERDICT_CHANNEL, note)
    expect(published).toMatchObject([
      { decision: 'refused', error: { code: 'FILE_MISMATCH' }, warnings: [{ code: 'MODELSEAL_SOURCE_CLOSE' }] },
    ])
  })

  test.each([
    ['never ends', never],
    ['throws', failing],
  ])('leaves no copies where it %s', async (_, close) => {
    const model = await openVerifiedModel(source({ session: { timeouts: TIMEOUTS, close } }), { policy })
    const { directory, path } = await model.place(['weights.bin'])
    expect(readFileSync(path('weights.bin'), 'utf8')).toBe(GOOD)
    await model.close()
    expect(() => readdirSync(directory)).toThrow('ENOENT')
  })
})

test('root digests are computed from the files, whatever names a source reports', async () => {
  const { bundles } = await digestModel(signed)
  const skip = policyWith(
    'revoked',
    { mode: 'skip', reason: 'test' },
    `revoked: { rootDigests: [ "${bundles?.rootDigest}" ] }\n`,
  )
  const innocent = workspace.write('innocent', { 'other.bin': 'innocent' })
  const session = { model: async () => ({ ...(await filesAt(signed)), path: innocent }) }
  expect(await outcome({ session }, { policy: skip })).toBe('MODEL_REVOKED')
})

test('the root digest that is looked up is that of the file that is handed out, not of the one that a bundle was found for', async () => {
  const innocent = await workspace.sign('single', { 'innocent.bin': 'innocent' })
  const revoked = workspace.write('revoked', { 'weights.bin': EVIL })
  const { rootDigest } = await digestModel(join(revoked, 'weights.bin'))
  const skip = policyWith(
    'revoked-file',
    { mode: 'skip', reason: 'test' },
    `revoked: { rootDigests: [ "${rootDigest}" ] }\n`,
  )
  const session = {
    model: () => filesAt(join(innocent, 'innocent.bin')),
    unverified: async () => ({ files: await filesAt(revoked), entry: 'weights.bin' }),
  }
  expect(await outcome({ session }, { policy: skip })).toBe('MODEL_REVOKED')
})

test('no subscriber makes an unverified model an accepted one', async () => {
  const skip = policyWith('subscribed', { mode: 'skip', reason: 'test' })
  const accept = (verdict: unknown) => void Object.assign(verdict as Verdict, { decision: 'accepted' })
  subscribe(VERDICT_CHANNEL, accept)
  const model = await openVerifiedModel(source({}), { policy: skip })
  unsubscribe(VERDICT_CHANNEL, accept)
  await model.close()
  expect(model.decision).not.toBe('accepted')
  expect(model.manifest).toBe(undefined)
})

test('a revision is shown without credentials', async () => {
  const session = { revision: 'store://somebody:hunter2@models/vad?hunter2' }
  await using model = await openVerifiedModel(source({ session }), { policy })
  expect(model.verdict.model.revision).toBe('store://models/vad')
})

describe('a revoked key that a bundle claims is found in the mode skip', () => {
  const revoked = () =>
    policyWith('key', { mode: 'skip', reason: 'test' }, 'revoked: { keys: [{ file: release.pub }] }\n')
  const place = (bytes: Uint8Array | undefined) => ({
    path: 'b',
    read: (_: object, receive: (body: object) => unknown) => bytes && receive({ chunks: [bytes] }),
  })
  const last = () => place(content.get('model.sig'))
  const absent = Array.from({ length: 40 }, () => place(undefined))
  const empty = Array.from({ length: 31 }, () => place(Buffer.from('{}')))

  test.each([
    ['behind 31 others', () => [{ candidates: [...empty, last()] }], 'KEY_REVOKED'],
    ['behind places without a bundle', () => [{ candidates: [...absent, last()] }], 'KEY_REVOKED'],
    [
      'or the load is refused: behind 32 others',
      () => [{ candidates: [...empty, ...empty, last()] }],
      'BUNDLES_TOO_MANY',
    ],
    [
      'or the load is refused: behind too many places',
      () => [{ candidates: Array(1_001).fill(last()) }],
      'SOURCE_FAILED',
    ],
    [
      'or the load is refused: behind too many groups',
      () => Array(1_001).fill({ candidates: absent.slice(0, 1) }),
      'SOURCE_FAILED',
    ],
  ])('%s', async (_, bundles, code) => {
    expect(await outcome({ session: { bundles } }, { policy: revoked() })).toBe(code)
  })
})

test('credentials of a source never appear in messages', async () => {
  const secret = 'store://somebody:hunter2@models/vad?token=hunter2'
  const refused = async (load: Promise<unknown>) =>
    JSON.stringify(await load.catch((error: unknown) => [error, (error as Error).message]))
  const evil: Given['read'] = (_, receive) => receive({ chunks: [Buffer.from(EVIL)] })
  const messages = [
    await refused(openVerifiedModel('hf://somebody:hunter2@hub/model?token=hunter2', { policy })),
    await refused(openVerifiedModel('foo://somebody:hunter2@hub/model?token=hunter2', { policy })),
    await refused(
      openVerifiedModel(signed, { policy: workspace.policy, signature: 'foo://somebody:hunter2@hub/m.sig?hunter2' }),
    ),
    await refused(digestModel('foo://somebody:hunter2@hub/model?token=hunter2')),
    await refused(openVerifiedModel(source({ files: { path: secret }, read: evil }), { policy })),
    await refused(
      openVerifiedModel(source({ read: () => Promise.reject(new Error(`GET ${secret} failed`)) }), { policy }),
    ),
    await refused(
      openVerifiedModel(
        source({ session: { bundles: () => [{ candidates: [{ path: secret, read: async () => {} }] }] } }),
        { policy },
      ),
    ),
  ]
  expect(messages.map((message) => /[A-Z]+_[A-Z_]+/.exec(message)?.[0])).toEqual([
    'SCHEME_UNKNOWN',
    'SCHEME_UNKNOWN',
    'INVALID_ARGUMENT',
    'SCHEME_UNKNOWN',
    'FILE_MISMATCH',
    'SOURCE_FAILED',
    'BUNDLE_NOT_FOUND',
  ])
  expect(messages.join()).not.toContain('hunter2')
})
