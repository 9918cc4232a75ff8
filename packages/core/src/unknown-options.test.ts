import { expect, test } from 'vitest'
import * as adapter from './entries/adapter.ts'
import * as advisory from './entries/advisory.ts'
import * as attestation from './entries/attestation.ts'
import * as formats from './entries/formats.ts'
import * as judged from './entries/judged.ts'
import * as monitor from './entries/monitor.ts'
import * as policy from './entries/policy.ts'
import * as distributed from './entries/distributed.ts'
import * as publishing from './entries/publishing.ts'
import * as signing from './entries/signing.ts'
import * as verification from './entries/verification.ts'
import type { ModelSealError } from './errors.ts'
import * as core from './index.ts'
import * as telemetry from './telemetry/opentelemetry.ts'
import { bundleOver, encoded, keyPair, statementOver } from './testing/bundles.ts'
import { refusal, scratch } from './testing/scratch.ts'

const ENTRIES = {
  ...core,
  ...adapter,
  ...advisory,
  ...attestation,
  ...formats,
  ...judged,
  ...monitor,
  ...policy,
  ...distributed,
  ...publishing,
  ...signing,
  ...verification,
  ...telemetry,
}

const files = { privateKey: 'release.key', certificate: 'release.pem' }
const uri = 'pkcs11:object=a'
const verifier = { publicKey: 'release.pub' }
const signer = { sign: () => undefined }
const attested = { signer: signer as never, type: 'evaluation', predicate: {} }
const pair = keyPair()
const parsed = async () => {
  const directory = scratch({ 'm.sig': bundleOver(encoded(statementOver({ a: 'a' })), pair) })
  return verification.readBundle(`${directory}/m.sig`)
}

/** The function, a misspelt option, the one that is meant, and a call. */
const CALLS: [keyof typeof ENTRIES, string, string, (unknown: object) => unknown][] = [
  ['addToFeed', 'replac', 'replace', (given) => advisory.addToFeed('a.yaml', { keys: [] }, given)],
  ['attestModel', 'modelIdentiti', 'modelIdentity', (given) => attestation.attestModel('m', { ...attested, ...given })],
  ['readAttestations', 'signatur', 'signature', (given) => attestation.readAttestations('m', given)],
  ['certificateSigner', 'chian', 'chain', (given) => signing.certificateSigner({ ...files, ...given })],
  ['checkIdentity', 'isuer', 'issuer', (given) => verification.checkIdentity({} as never, given as never)],
  ['hashFilesOnDisk', 'signl', 'signal', (given) => distributed.hashFilesOnDisk([], given)],
  ['checkServed', 'ful', 'full', (given) => publishing.checkServed({} as never, {} as never, given)],
  ['configureAdvisories', 'refreshfirst', 'refreshFirst', (given) => core.configureAdvisories(given)],
  ['configureHashing', 'maxThread', 'maxThreads', (given) => core.configureHashing(given)],
  ['createFeedSource', 'expire', 'expires', (given) => advisory.createFeedSource('a.yaml', { feed: 'a', ...given })],
  ['digestModel', 'hashtipe', 'hashType', (given) => signing.digestModel('m', given)],
  ['downloadModel', 'polici', 'policy', (given) => core.downloadModel('m', 'd', given)],
  ['examineHost', 'polici', 'policy', (given) => policy.examineHost(given)],
  ['exportTrustRoot', 'fil', 'file', (given) => verification.exportTrustRoot(given as never, 'root.json')],
  ['inspectModel', 'signatur', 'signature', (given) => verification.inspectModel('m', given)],
  ['instrumentLoads', 'meterprovidr', 'meterProvider', (given) => telemetry.instrumentLoads(given)],
  ['instrumentLogs', 'loggerprovidr', 'loggerProvider', (given) => telemetry.instrumentLogs(given)],
  ['judgeMemory', 'formt', 'format', (given) => adapter.judgeMemory(new Uint8Array(1), given)],
  ['judgeModel', 'signatur', 'signature', (given) => policy.judgeModel('m', given)],
  ['previewVerdict', 'signatur', 'signature', (given) => policy.previewVerdict('m', given)],
  ['keySigner', 'pasword', 'password', (given) => signing.keySigner({ privateKey: 'release.key', ...given })],
  ['keepRevocable', 'cals', 'calls', (given) => adapter.keepRevocable({} as never, {}, given as never)],
  ['loadOptions', 'isolaton', 'isolation', (given) => adapter.loadOptions(given, [])],
  ['loadSigstoreTrust', 'tufUlr', 'tufUrl', (given) => verification.loadSigstoreTrust(given as never)],
  ['monitorLog', 'identitys', 'identities', (given) => monitor.monitorLog({ identities: ['a'], ...given })],
  ['openOptions', 'maxByte', 'maxBytes', (given) => adapter.openOptions(given)],
  ['openVerifiedDataset', 'polici', 'policy', (given) => core.openVerifiedDataset('m', given)],
  ['openVerifiedModel', 'polici', 'policy', (given) => core.openVerifiedModel('m', given)],
  [
    'pkcs11CertificateSigner',
    'module',
    '',
    (given) => signing.pkcs11CertificateSigner({ uri, certificate: 'a', ...given }),
  ],
  ['pkcs11KeySigner', 'modules', '', (given) => signing.pkcs11KeySigner({ uri, ...given })],
  [
    'preparePublication',
    'signatur',
    'signature',
    (given) => publishing.preparePublication('m', { signedBy: {}, ...given } as never),
  ],
  ['pullModels', 'polici', 'policy', (given) => core.pullModels([{ source: 'm', directory: 'd' }], given)],
  ['readBundle', 'maxByte', 'maxBytes', (given) => verification.readBundle('m.sig', given)],
  ['signFeed', 'outputs', 'output', (given) => advisory.signFeed('a.yaml', { signer, output: 'a', ...given } as never)],
  ['signModel', 'ignorePath', 'ignorePaths', (given) => signing.signModel('m', { signer, ...given } as never)],
  ['signModelAgain', 'signatur', 'signature', (given) => signing.signModelAgain('m', { signer, ...given } as never)],
  ['sigstoreSigner', 'clientID_', 'clientId', (given) => signing.sigstoreSigner(given)],
  ['testPolicy', 'expectation', 'expectations', (given) => policy.testPolicy(given)],
  [
    'timestampFrom',
    'timeoutMS_',
    'timeoutMs',
    (given) => signing.timestampFrom({ url: 'a', data: new Uint8Array(1), ...given }),
  ],
  ['updateTrustRoot', 'timeout', 'timeoutMs', (given) => verification.updateTrustRoot('staging', given)],
  [
    'validateChain',
    'crl',
    'crls',
    (given) => verification.validateChain({ leaf: new Uint8Array(1), roots: [], ...given }),
  ],
  [
    'verifyCertificateBundle',
    'crl',
    'crls',
    (given) => verification.verifyCertificateBundle({} as never, { roots: [], ...given }, 'a'),
  ],
  ['verifyFeed', 'polici', 'policy', (given) => advisory.verifyFeed('a.jsonl', { policy: 'p', ...given })],
  [
    'verifyKeyBundle',
    'timestampAuthority',
    'timestampAuthorities',
    async (given) => verification.verifyKeyBundle(await parsed(), pair.publicKey, 'a', given),
  ],
  [
    'verifyModel',
    'ignorePath',
    'ignorePaths',
    (given) => verification.verifyModel('m', { signature: 'm.sig', verifier, ...given }),
  ],
  ['watchPolicy', 'onErorr', 'onError', (given) => policy.watchPolicy('policy.yaml', given)],
]

/** Functions without options of a caller: their arguments are values, or options that were already checked. */
const WITHOUT_OPTIONS = new Set<string>([
  'closeHashPool',
  'loadPolicy',
  'policyDigests',
  'dropReceipts',
  'listReceipts',
  'parseJsonInTurns',
  'parseStrictJson',
  'shown',
  'withHint',
  'writeFileWhole',
  'otherBundlesAmong',
  'unsignedAmong',
  'signStatement',
  'onlyModel',
  'noAttestations',
  'attestationKinds',
  'lineage',
  'makeAttestation',
  'makeEvaluation',
  'makeProvenance',
  'makeVerificationSummary',
  'modelIdentity',
  'predicateTypeOf',
  'readAttestationFile',
  'weighAttestations',
  'outcomeOf',
  'runtimeFailed',
  'withVerdict',
  'installedGuard',
  'tolerate',
  'referencedName',
  'isModelSource',
  'modelLocation',
  'readSmallFile',
  'bytesInMemory',
  'withBytesOfFile',
  'inTurns',
  'holds',
  'openJudged',
  'checkPolicy',
  'explain',
  'startingPolicy',
  'systemRoots',
  'verifySigstoreBundle',
  'readCertificates',
  'readRevocationLists',
  'saveCheckpoint',
  'checkAttestationOutput',
  'hashingElsewhere',
  'canonicalJson',
  'isCanonicalJson',
  'array',
  'int',
  'literal',
  'oneOf',
  'strictObject',
  'string',
  'lanes',
  'provenanceInputs',
  'readFeedSource',
  'removeFromFeed',
  'inspectFeed',
  'feedEntries',
  'compareFeeds',
  'exportOpenVex',
  'importOpenVex',
  'publishableBeside',
  'readClaims',
  'withClaims',
  'digestOfFile',
  'changedFile',
  'forPublisher',
  'pushConflict',
  'pushRefused',
  'pushUnproven',
  // Gets the settings of a push, which its package has checked.
  'readBack',
  'sourceOf',
])

test.each(CALLS)('%s refuses the unknown option %s', async (_, option, meant, call) => {
  const error: unknown = await (async () => call({ [option]: 'a' }))().catch((thrown: unknown) => thrown)
  expect(error).toEqual(refusal('INVALID_ARGUMENT', { found: `"${option}"` }))
  expect((error as ModelSealError).message).toContain(`Unknown option "${option}" for `)
  expect((error as ModelSealError).hint).toBe(meant === '' ? undefined : `Did you mean "${meant}"?`)
})

test.each<[string, object]>([
  ['a verifier', { signature: 'm.sig', verifier: { ...verifier, publickey: 'b' } }],
  ['a verifier', { signature: 'm.sig', verifier: { certificateChain: ['a'], crl: ['b'] } }],
])('so does verifyModel for %s', async (of, options) => {
  await expect(verification.verifyModel('m', options as never)).rejects.toThrow(`for ${of}.`)
})

test('every public function is in the table or takes no options', () => {
  const functions = Object.entries(ENTRIES)
    .filter(([, value]) => typeof value === 'function' && !/^class /.test(String(value)))
    .map(([name]) => name)
  const tested = new Set<string>(CALLS.map(([name]) => name))
  expect(functions.filter((name) => !tested.has(name) && !WITHOUT_OPTIONS.has(name))).toEqual([])
})
