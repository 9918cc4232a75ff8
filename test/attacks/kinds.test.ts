import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { pathToFileURL } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import * as transformers from '@huggingface/transformers'
import * as core from '@modelseal/core'
import * as adapter from '@modelseal/core/adapter'
import * as advisory from '@modelseal/core/advisory'
import * as attestation from '@modelseal/core/attestation'
import * as monitor from '@modelseal/core/monitor'
import * as policies from '@modelseal/core/policy'
import * as signing from '@modelseal/core/signing'
import * as verification from '@modelseal/core/verification'
import { createFromMemory, createVerified } from '@modelseal/onnxruntime/any-runtime'
import * as onnx from '@modelseal/onnxruntime'
import * as tfjs from '@modelseal/tfjs'
import * as hub from '@modelseal/transformers'
import * as ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addingModel, floats } from '../onnx-models.ts'
import { Workspace } from '../signed-models.ts'

// JavaScript programs, and those that cast types away, can pass values of any kind. Whatever the value and the argument, the
// call succeeds or is refused with a specific code. It never throws INTERNAL or a JavaScript error, and never hangs.

const start = process.cwd()
let workspace: Workspace
let calls: Record<string, Call>
let policy: core.Policy
let watched: core.WatchedPolicy
let model: core.OpenedModel

/** A call, its arguments, and the options in one of them. */
interface Call {
  call: (...args: never[]) => unknown
  args: unknown[]
  /** By the position of the options object in the arguments. */
  options?: Record<number, readonly string[]>
  /** Positions of the caller's functions, which may throw anything. */
  callbacks?: readonly number[]
}

const throwing = () => {
  throw new RangeError('thrown by a getter')
}
const revoked = (target: object) => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}
const foreign = (code: string): unknown => runInNewContext(code, { URL })

const VALUES: [string, () => unknown][] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['true', () => true],
  ['0', () => 0],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['NaN', () => NaN],
  ['Infinity', () => Infinity],
  ['2 ** 53', () => 2 ** 53],
  ['a bigint', () => 1n],
  ['a symbol', () => Symbol('x')],
  ['an empty string', () => ''],
  ['a string', () => 'x'],
  ['a string with NUL', () => 'a\0b'],
  ['a lone surrogate', () => '\ud800'],
  ['a long string', () => 'x'.repeat(10_000)],
  ['__proto__', () => '__proto__'],
  ['an invalid URL', () => 'file://%'],
  ['an HTTP URL', () => 'http://127.0.0.1:9/'],
  ['a function', () => () => {}],
  [
    'a class',
    () =>
      class Own {
        field = 1
      },
  ],
  ['an object', () => ({})],
  ['an object without a prototype', () => Object.create(null) as object],
  ['an object with an odd key', () => ({ [Symbol('x')]: 1, constructor: 1, __proto__: null })],
  ['an object that throws', () => Object.defineProperty({}, 'x', { enumerable: true, get: throwing })],
  ['an object whose toString throws', () => ({ toString: throwing, valueOf: throwing, toJSON: throwing })],
  ['a proxy', () => new Proxy({}, {})],
  ['a proxy of a function', () => new Proxy(() => {}, {})],
  [
    'a proxy that throws',
    () => new Proxy({}, { get: throwing, has: throwing, ownKeys: throwing, getPrototypeOf: throwing }),
  ],
  ['a revoked proxy', () => revoked({})],
  ['a revoked array', () => revoked([])],
  ['an array', () => []],
  ['an array of odd things', () => [undefined, null, Symbol('x'), {}]],
  ['an endless array', () => new Array(2 ** 32 - 1)],
  ['a buffer', () => Buffer.from('x')],
  ['a Float64Array', () => new Float64Array(2)],
  ['a DataView', () => new DataView(new ArrayBuffer(4))],
  ['an ArrayBuffer', () => new ArrayBuffer(4)],
  ['a SharedArrayBuffer', () => new SharedArrayBuffer(4)],
  ['a Map', () => new Map()],
  ['a Set', () => new Set(['x'])],
  ['a WeakMap', () => new WeakMap()],
  ['a date', () => new Date()],
  ['an invalid date', () => new Date(NaN)],
  ['a regular expression', () => /x/],
  ['a URL', () => new URL('file:///nowhere/at/all')],
  ['a URL of HTTP', () => new URL('https://models.example/')],
  ['a promise', () => Promise.resolve('x')],
  ['a thenable', () => ({ then: (resolve: (value: unknown) => void) => resolve('x') })],
  ['an AbortSignal', () => new AbortController().signal],
  ['an aborted AbortSignal', () => AbortSignal.abort()],
  [
    'an object that looks like an AbortSignal',
    () => ({ aborted: false, addEventListener() {}, removeEventListener() {} }),
  ],
  ['an error', () => new Error('x')],
  ['an Error with another message', () => Object.defineProperty(new Error('x'), 'message', { get: throwing })],
  ['an iterator', () => [1][Symbol.iterator]()],
  ['an object of another realm', () => foreign('({})')],
  ['an array of another realm', () => foreign('["x"]')],
  ['bytes of another realm', () => foreign('new Uint8Array(2)')],
  ['a date of another realm', () => foreign('new Date()')],
  ['an error of another realm', () => foreign('new Error("x")')],
  ['a URL of another realm', () => foreign('new (class Own extends URL {})("file:///nowhere/at/all")')],
]

beforeAll(async () => {
  workspace = new Workspace()
  transformers.env.logLevel = transformers.LogLevel.NONE
  const directory = await workspace.sign('m', {
    'model.onnx': addingModel('w.bin'),
    'w.bin': floats(1, 2),
    'config.json': '{}',
  })
  process.chdir(workspace.path)
  process.env['MODELSEAL_CACHE'] = join(workspace.path, 'cache')
  const inWorkspace = (file: string) => join(workspace.path, file)
  copyFileSync(join(directory, 'model.sig'), inWorkspace('m.sig'))
  policy = await core.loadPolicy(workspace.policy)
  watched = await core.watchPolicy(workspace.policy)
  model = await core.openVerifiedModel(directory, { policy })
  const dataset = await core.openVerifiedDataset(directory, { policy })
  const buffer = await dataset.asyncBuffer('config.json')
  const bundle = await verification.readBundle(inWorkspace('m.sig'))
  const trust = await verification.loadSigstoreTrust('public-good')
  const privateKey = inWorkspace('release.key')
  const signer = await signing.keySigner({ privateKey })
  const verifier = { publicKey: inWorkspace('release.pub') }
  const signature = inWorkspace('m.sig')
  const feedSource = await advisory.createFeedSource(inWorkspace('feed.yaml'), { feed: 'a' })
  const feed = inWorkspace('feed.jsonl')
  const { feed: signedFeed } = await advisory.signFeed(feedSource, { signer, output: feed })
  const DENIED = 'rootDigests fileDigests keys certificates identities claims packages'.split(' ')
  const error = new core.ModelSealError('FILE_MISMATCH', 'x')
  const identity = { identity: 'a', issuer: 'b', extensions: {} }
  const bounds = { what: 'x', maxValues: 10 }
  const roots = verification.systemRoots().slice(0, 1)
  const OPEN = 'policy signature format url isolation maxBundleBytes http audit maxBytes signal onProgress'.split(' ')
  const DIGEST = 'hashType shardSize allowSymlinks ignorePaths ignoreGitPaths signal onProgress'.split(' ')
  const TRUST = 'timestampAuthorities now effort'.split(' ')
  const onnxFile = join(directory, 'model.onnx')
  const open = { policy: workspace.policy }
  const refusing = () => Promise.reject(new Error('not to be loaded'))
  const runtime = { InferenceSession: { create: refusing }, env: { versions: { node: '1.22.0' } } }
  const tensorflow = { loadGraphModel: refusing, loadLayersModel: refusing }
  const http = { headers: {}, redirectOrigins: [], maxBytes: 1, idleTimeout: 1, totalTimeout: 1 }
  const unreached = 'http://127.0.0.1:9/m/'
  calls = {
    openVerifiedModel: {
      call: core.openVerifiedModel,
      args: [directory, open, undefined],
      options: { 1: OPEN },
      callbacks: [2],
    },
    'openVerifiedModel: http': {
      call: (_: unknown, http: unknown) => core.openVerifiedModel(unreached, { ...open, http: http as never }),
      args: [undefined, http],
      options: { 1: Object.keys(http) },
    },
    openVerifiedDataset: {
      call: core.openVerifiedDataset,
      args: [directory, open],
      options: { 1: [...OPEN.filter((name) => name !== 'format' && name !== 'isolation'), 'cacheBytes'] },
    },
    'VerifiedDataset.read': { call: dataset.read.bind(dataset), args: ['config.json'] },
    'VerifiedDataset.stream': { call: dataset.stream.bind(dataset), args: ['config.json'] },
    'VerifiedDataset.asyncBuffer': { call: dataset.asyncBuffer.bind(dataset), args: ['config.json'] },
    'AsyncBuffer.slice': { call: buffer.slice, args: [0, 1] },
    'VerifiedDataset.rows': {
      call: dataset.rows.bind(dataset),
      args: ['config.json', {}],
      options: { 1: 'columns rowStart rowEnd compressors'.split(' ') },
    },
    'VerifiedDataset.records': {
      call: dataset.records.bind(dataset),
      args: ['config.json', { format: 'jsonl' }],
      options: { 1: 'format delimiter maxRecordBytes'.split(' ') },
    },
    'VerifiedDataset.members': { call: dataset.members.bind(dataset), args: ['config.json'] },
    'VerifiedDataset.member': { call: dataset.member.bind(dataset), args: ['config.json', 'a.txt'] },
    downloadModel: { call: core.downloadModel, args: [directory, inWorkspace('downloaded'), open] },
    pullModels: {
      call: core.pullModels,
      args: [[{ source: directory, directory: 'pulled' }], open],
    },
    'pullModels: pull': {
      call: (_: unknown, pull: unknown) => core.pullModels([pull as never], open),
      args: [undefined, { source: directory, directory: 'pulled' }],
    },
    openOptions: { call: adapter.openOptions, args: [open], options: { 0: OPEN } },
    loadOptions: { call: adapter.loadOptions, args: [open, ['own']] },
    judgeModel: { call: core.judgeModel, args: [directory, open], options: { 1: OPEN } },
    judgeMemory: {
      call: adapter.judgeMemory,
      args: [new Uint8Array(2), open],
      options: { 1: ['policy', 'audit', 'format'] },
    },
    verifyModel: {
      call: verification.verifyModel,
      args: [directory, { signature, verifier }],
      options: {
        1: 'signature verifier ignorePaths maxBundleBytes files ignoreGitPaths ignoreUnsignedFiles signal onProgress'.split(
          ' ',
        ),
      },
    },
    'verifyModel: verifier': {
      call: (_: unknown, given: unknown) =>
        verification.verifyModel(directory, { signature, verifier: given as never }),
      args: [undefined, verifier],
      options: {
        1: 'publicKey certificateChain systemRoots crls timestampAuthorities identity issuer extensions trustRoot'.split(
          ' ',
        ),
      },
    },
    loadPolicy: { call: core.loadPolicy, args: [workspace.policy] },
    watchPolicy: { call: core.watchPolicy, args: [workspace.policy, {}], options: { 1: ['onReload', 'onError'] } },
    checkPolicy: { call: policies.checkPolicy, args: [workspace.policy] },
    testPolicy: { call: policies.testPolicy, args: [open], options: { 0: ['policy', 'expectations', 'signal'] } },
    explain: { call: policies.explain, args: [model.verdict] },
    startingPolicy: {
      call: policies.startingPolicy,
      args: [{ kind: 'key', publicKey: 'x' }, '**'],
      options: { 0: ['kind', 'publicKey'] },
    },
    tolerate: { call: adapter.tolerate, args: [error, { path: 'x' }], options: { 1: ['path', 'format'] } },
    digestModel: { call: signing.digestModel, args: [directory, {}], options: { 1: DIGEST } },
    signModel: {
      call: signing.signModel,
      args: [directory, { signer, signature }],
      options: { 1: [...DIGEST, 'signer', 'signature', 'timestampAuthority'] },
    },
    signModelAgain: {
      call: signing.signModelAgain,
      args: [directory, { signer, signature, previous: { signature, verifier } }],
      options: { 1: ['signer', 'previous'] },
    },
    keySigner: { call: signing.keySigner, args: [{ privateKey }], options: { 0: ['privateKey', 'password'] } },
    certificateSigner: {
      call: signing.certificateSigner,
      args: [{ privateKey, certificate: 'none.pem' }],
      options: { 0: ['privateKey', 'password', 'certificate', 'chain'] },
    },
    pkcs11KeySigner: {
      call: signing.pkcs11KeySigner,
      args: [{ uri: 'pkcs11:object=a?module-path=/nowhere.so' }],
      options: { 0: ['uri', 'modulePaths'] },
    },
    pkcs11CertificateSigner: {
      call: signing.pkcs11CertificateSigner,
      args: [{ uri: 'pkcs11:object=a?module-path=/nowhere.so', certificate: 'none.pem' }],
      options: { 0: ['uri', 'modulePaths', 'certificate', 'chain'] },
    },
    sigstoreSigner: {
      call: signing.sigstoreSigner,
      args: [{}],
      options: {
        0: 'trustRoot identityToken useAmbientCredentials interactive clientId clientSecret timeoutMs'.split(' '),
      },
    },
    timestampFrom: {
      call: signing.timestampFrom,
      args: [{ url: 'http://127.0.0.1:9/', data: new Uint8Array(2) }],
      options: { 0: ['url', 'data', 'timeoutMs', 'signal'] },
    },
    validateChain: {
      call: verification.validateChain,
      args: [{ leaf: roots[0], roots }],
      options: { 0: 'leaf intermediates roots crls at crlsAt usage signal'.split(' ') },
    },
    verifyKeyBundle: {
      call: verification.verifyKeyBundle,
      args: [bundle, {}, 'name', {}],
      options: { 1: ['key'], 3: TRUST },
    },
    verifyCertificateBundle: {
      call: verification.verifyCertificateBundle,
      args: [bundle, { roots }, 'name'],
      options: { 1: [...TRUST, 'roots', 'intermediates', 'crls'] },
    },
    verifySigstoreBundle: {
      call: verification.verifySigstoreBundle,
      args: [bundle, trust, 'name', new Date()],
      options: { 1: Object.keys(trust) },
    },
    checkIdentity: {
      call: verification.checkIdentity,
      args: [identity, identity, 'file'],
      options: { 0: Object.keys(identity), 1: Object.keys(identity) },
    },
    loadSigstoreTrust: {
      call: verification.loadSigstoreTrust,
      args: [{ file: 'none.json' }],
      options: { 0: ['file', 'tufUrl', 'tufRoot'] },
    },
    exportTrustRoot: { call: verification.exportTrustRoot, args: [{ file: 'none.json' }, 'out.json'] },
    updateTrustRoot: {
      call: verification.updateTrustRoot,
      args: [{ tufUrl: unreached, tufRoot: 'none.json' }, {}],
      options: { 1: ['timeoutMs', 'signal'] },
    },
    monitorLog: {
      call: monitor.monitorLog,
      args: [{ identities: ['a@b.example'], trustRoot: { file: 'none.json' } }],
      options: {
        0: ['identities', 'issuer', 'trustRoot', 'log', 'since', 'checkpoint', 'fromStart', 'timeoutMs', 'signal'],
      },
    },
    saveCheckpoint: { call: monitor.saveCheckpoint, args: ['log.checkpoint', { note: 'a' }], options: { 1: ['note'] } },
    createFeedSource: {
      call: advisory.createFeedSource,
      args: [join(workspace.path, 'new.yaml'), { feed: 'a' }],
      options: { 1: ['feed', 'expires'] },
    },
    readFeedSource: { call: advisory.readFeedSource, args: [feedSource] },
    addToFeed: {
      call: advisory.addToFeed,
      args: [feedSource, { claims: ['ab'.repeat(32)] }, {}],
      options: { 1: DENIED, 2: ['replace'] },
    },
    removeFromFeed: {
      call: advisory.removeFromFeed,
      args: [feedSource, { claims: ['ab'.repeat(32)] }],
      options: { 1: DENIED },
    },
    signFeed: {
      call: advisory.signFeed,
      args: [feedSource, { signer, output: inWorkspace('signed.jsonl') }],
      options: { 1: ['signer', 'output', 'expires', 'addSignature', 'timestampAuthority', 'signal'] },
    },
    verifyFeed: {
      call: advisory.verifyFeed,
      args: [feed, { verifier }],
      options: { 1: ['verifier', 'policy', 'signal'] },
    },
    'verifyFeed: policy': { call: advisory.verifyFeed, args: [feed, { policy }], options: { 1: ['policy'] } },
    inspectFeed: { call: advisory.inspectFeed, args: [feed] },
    feedEntries: { call: advisory.feedEntries, args: [signedFeed], options: { 0: ['denied'] } },
    compareFeeds: {
      call: advisory.compareFeeds,
      args: [signedFeed, signedFeed],
      options: { 0: ['denied'], 1: ['denied'] },
    },
    exportOpenVex: {
      call: advisory.exportOpenVex,
      args: [signedFeed],
      options: { 0: ['feed', 'sequence', 'issued', 'denied'] },
    },
    importOpenVex: { call: advisory.importOpenVex, args: [join(workspace.path, 'none.json')] },
    checkAttestationOutput: { call: attestation.checkAttestationOutput, args: [join(workspace.path, 'a.json')] },
    readBundle: { call: verification.readBundle, args: [signature, {}], options: { 1: ['maxBytes', 'signal'] } },
    readCertificates: { call: verification.readCertificates, args: ['none.pem'] },
    readRevocationLists: { call: verification.readRevocationLists, args: ['none.crl'] },
    readSmallFile: { call: adapter.readSmallFile, args: [signature, { what: 'x', maxBytes: 1e6 }] },
    parseStrictJson: { call: adapter.parseStrictJson, args: [Buffer.from('{}'), bounds] },
    parseJsonInTurns: { call: adapter.parseJsonInTurns, args: [Buffer.from('{}'), bounds] },
    referencedName: { call: adapter.referencedName, args: ['a', 'b'] },
    shown: { call: adapter.shown, args: ['a'] },
    modelLocation: { call: adapter.modelLocation, args: ['a'] },
    isModelSource: { call: adapter.isModelSource, args: ['a'] },
    dropReceipts: { call: core.dropReceipts, args: [directory] },
    configureHashing: { call: core.configureHashing, args: [{}], options: { 0: ['maxThreads', 'callingThread'] } },
    configureAdvisories: { call: core.configureAdvisories, args: [{}], options: { 0: ['refreshFirst'] } },
    'VerifiedModel.read': { call: model.read.bind(model), args: ['config.json'] },
    'VerifiedModel.stream': { call: model.stream.bind(model), args: ['config.json'] },
    'VerifiedModel.path': { call: model.path.bind(model), args: ['config.json'] },
    'VerifiedModel.place': {
      call: model.place.bind(model),
      args: [['config.json'], {}],
      options: { 1: ['isolation'] },
    },
    'onnxruntime loadVerifiedModel': {
      call: onnx.loadVerifiedModel,
      args: [onnxFile, open],
      options: { 1: [...OPEN, 'session'] },
    },
    'onnxruntime verified': { call: onnx.verified, args: [ort, open] },
    'onnxruntime createSession': {
      call: onnx.verified(runtime as never, open).createSession,
      args: [onnxFile, {}],
    },
    'onnxruntime createVerified': {
      call: createVerified,
      args: [runtime, onnxFile, open, {}],
      options: { 3: ['extra', 'externalData'] },
    },
    'onnxruntime createFromMemory': { call: createFromMemory, args: [runtime, new Uint8Array(2), {}, open] },
    'tfjs verified': { call: tfjs.verified, args: [tensorflow, open] },
    'tfjs loadVerifiedModel': {
      call: tfjs.loadVerifiedModel,
      args: [tensorflow, directory, open],
      options: { 2: [...OPEN, 'load'] },
    },
    'tfjs loadGraphModel': {
      call: tfjs.verified(tf, open).loadGraphModel,
      args: [join(directory, 'config.json'), {}],
      options: { 1: ['onProgress', 'requestInit', 'fetchFunc'] },
    },
    'transformers verified': { call: hub.verified, args: [transformers, open] },
    'transformers pipeline': {
      call: hub.verified(transformers, open).pipeline,
      args: ['feature-extraction', directory, {}],
      options: { 2: 'config device dtype subfolder progress_callback session_options revision'.split(' ') },
    },
    'transformers from_pretrained': {
      call: (...args: never[]) => hub.verified(transformers, open).AutoConfig.from_pretrained(...(args as [never])),
      args: [directory, {}],
    },
    'transformers verdictOf': { call: hub.verdictOf, args: [{}] },
    'transformers attestationsOf': { call: hub.attestationsOf, args: [{}, 'evaluation'] },
  }
})
afterAll(async () => {
  process.chdir(start)
  delete process.env['MODELSEAL_CACHE']
  core.configureHashing()
  core.configureAdvisories()
  await model.close()
  workspace[Symbol.dispose]()
})

/** What is wrong with the outcome of a call; undefined if nothing is. */
async function faultOf({ call }: Call, args: unknown[], own: unknown): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => (timer = setTimeout(() => resolve('no answer'), 20_000)))
  const ended = (async () => {
    try {
      await (call as (...args: unknown[]) => unknown)(...args)
    } catch (error) {
      // tolerate() rethrows errors that it does not judge.
      if (Object.is(error, own)) return undefined
      if (!(error instanceof core.ModelSealError))
        return `untyped: ${(error as Error | undefined)?.stack ?? String(error)}`
      if (error.code === 'INTERNAL') return `INTERNAL: ${error.message}`
      if (/ECMAScript|TypeError|\[object /.test(error.message)) return `unclear: ${error.message}`
    }
    return undefined
  })()
  return Promise.race([ended, late]).finally(() => clearTimeout(timer))
}

const NAMES = [
  'openVerifiedModel',
  'openVerifiedModel: http',
  'openVerifiedDataset',
  'VerifiedDataset.read',
  'VerifiedDataset.stream',
  'VerifiedDataset.asyncBuffer',
  'AsyncBuffer.slice',
  'VerifiedDataset.rows',
  'VerifiedDataset.records',
  'VerifiedDataset.members',
  'VerifiedDataset.member',
  'downloadModel',
  'pullModels',
  'pullModels: pull',
  'openOptions',
  'loadOptions',
  'judgeModel',
  'judgeMemory',
  'verifyModel',
  'verifyModel: verifier',
  'loadPolicy',
  'watchPolicy',
  'checkPolicy',
  'testPolicy',
  'explain',
  'startingPolicy',
  'tolerate',
  'digestModel',
  'signModel',
  'signModelAgain',
  'keySigner',
  'certificateSigner',
  'pkcs11KeySigner',
  'pkcs11CertificateSigner',
  'sigstoreSigner',
  'timestampFrom',
  'validateChain',
  'verifyKeyBundle',
  'verifyCertificateBundle',
  'verifySigstoreBundle',
  'checkIdentity',
  'loadSigstoreTrust',
  'exportTrustRoot',
  'updateTrustRoot',
  'monitorLog',
  'saveCheckpoint',
  'createFeedSource',
  'readFeedSource',
  'addToFeed',
  'removeFromFeed',
  'signFeed',
  'verifyFeed',
  'verifyFeed: policy',
  'inspectFeed',
  'feedEntries',
  'compareFeeds',
  'exportOpenVex',
  'importOpenVex',
  'checkAttestationOutput',
  'readBundle',
  'readCertificates',
  'readRevocationLists',
  'readSmallFile',
  'parseStrictJson',
  'parseJsonInTurns',
  'referencedName',
  'shown',
  'modelLocation',
  'isModelSource',
  'dropReceipts',
  'configureHashing',
  'configureAdvisories',
  'VerifiedModel.read',
  'VerifiedModel.stream',
  'VerifiedModel.path',
  'VerifiedModel.place',
  'onnxruntime loadVerifiedModel',
  'onnxruntime verified',
  'onnxruntime createSession',
  'onnxruntime createVerified',
  'onnxruntime createFromMemory',
  'tfjs verified',
  'tfjs loadVerifiedModel',
  'tfjs loadGraphModel',
  'transformers verified',
  'transformers pipeline',
  'transformers from_pretrained',
  'transformers verdictOf',
  'transformers attestationsOf',
]

describe('a value of any kind, in any argument and any option, is accepted or refused with a code', () => {
  test.each(NAMES)('%s', async (name) => {
    const one = calls[name]!
    const faults: string[] = []
    for (const [kind, make] of VALUES) {
      const isFunction = typeof make() === 'function'
      for (const [position] of one.args.entries()) {
        if (one.callbacks?.includes(position) && isFunction) continue
        const value = make()
        const fault = await faultOf(one, one.args.with(position, value), value)
        if (fault) faults.push(`argument ${position + 1} is ${kind}: ${fault}`)
        for (const option of one.options?.[position] ?? []) {
          // The caller's functions may throw anything.
          if (isFunction) continue
          const options = { ...(one.args[position] as object), [option]: make() }
          const wrong = await faultOf(one, one.args.with(position, options), undefined)
          if (wrong) faults.push(`${option} is ${kind}: ${wrong}`)
        }
      }
    }
    expect(faults).toEqual([])
  })

  test('no function is left out', () => {
    const functions = [core, advisory, monitor, onnx, tfjs, hub].flatMap((exported) =>
      Object.entries(exported).flatMap(([name, value]) =>
        typeof value === 'function' && !/^class\b/.test(String(value)) ? [name] : [],
      ),
    )
    const tested = new Set(NAMES.map((name) => name.split(' ').at(-1)))
    const without = new Set(['closeHashPool', 'listReceipts', 'systemRoots'])
    expect([...new Set(functions)].filter((name) => !tested.has(name) && !without.has(name))).toEqual([])
    expect(Object.keys(calls)).toEqual(NAMES)
  })
})

/** All fields of a policy. */
const BY_HAND = { path: '/p', rules: [], ages: [], timestampAuthorities: [], roots: {}, revocations: {}, files: {} }

describe('a policy that is not one is refused as such', () => {
  test.each<[string, unknown]>([
    ['a buffer', Buffer.from('version: 1')],
    ['an empty object', {}],
    ['a list', ['modelseal.policy.yaml']],
    ['a parsed policy', { version: 1, rules: [] }],
    ['a policy made by hand', BY_HAND],
    ['an object that looks like a watched policy and returns such a policy', { current: () => BY_HAND }],
    ['null', null],
    ['a URL of HTTP', new URL('https://models.example/policy.yaml')],
    ['a promise', Promise.resolve('modelseal.policy.yaml')],
    ['an object that looks like a watched policy', { current: () => ({}) }],
  ])('%s', async (_, given) => {
    const opening = core.openVerifiedModel(join(workspace.path, 'models/m'), { policy: given as never })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('a changed copy of a policy', async () => {
    const copy = { ...policy, rules: [] }
    const opening = core.openVerifiedModel(join(workspace.path, 'models/m'), { policy: copy as never })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('a file URL is accepted, as text and as a URL object of any realm', async () => {
    const url = pathToFileURL(workspace.policy)
    const other = runInNewContext('new (class Own extends URL {})(href)', { URL, href: url.href }) as URL
    for (const given of [url, url.href, other, policy, watched]) {
      const opened = await core.openVerifiedModel(join(workspace.path, 'models/m'), { policy: given as never })
      expect(opened.verdict.policy).toBe(workspace.policy)
      await opened.close()
    }
  })

  test('all bytes in memory are judged, whatever kind of object contains them', async () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const paths = await Promise.all(
      [bytes, bytes.buffer, new DataView(bytes.buffer)].map((given) =>
        adapter.judgeMemory(given as never, { policy, audit: true }).then(({ verdict }) => verdict.model.path),
      ),
    )
    expect(new Set(paths)).toEqual(new Set([expect.stringMatching(/^memory:sha256:039058c6/)]))
  })
})
