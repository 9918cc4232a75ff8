import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Workspace } from './signed-models.ts'

// The exports of each entry point of the core, including types. Programs depend on them, so every addition is listed here.

const ENTRIES: Record<string, { values: string[]; types: string[] }> = {
  '.': {
    values:
      names(`ADVISORY_CHANNEL ERROR_CODES LOAD_CHANNEL ModelSealError POLICY_CHANNEL REVOKED_CHANNEL VERDICT_CHANNEL closeHashPool configureAdvisories configureHashing
      downloadModel dropReceipts judgeModel listReceipts loadPolicy openVerifiedDataset openVerifiedModel pullModels
      watchPolicy`),
    types:
      names(`AcceptedVerdict AdvisoryChange AdvisoryFailure AdvisoryOptions AsyncBuffer Attestation AttestedContents BelievedAttestations Decompress DownloadedModel ErrorCode HashingOptions HttpOptions Isolation LoadTrace Manifest ModelReader ModelSource
      OpenDatasetOptions OpenOptions OpenedDataset OpenedModel PlacedFiles Policy PolicyReload ProgressCallback Pull PullOptions
      PulledModel ReceiptInfo RecordOptions Revoked RowOptions TarMember ThreadPool UnverifiedDataset UnverifiedModel
      Verdict VerifiedDataset VerifiedIdentity VerifiedModel WatchedPolicy`),
  },
  './signing': {
    values:
      names(`certificateSigner digestModel keySigner pkcs11CertificateSigner pkcs11KeySigner signModel signModelAgain
      sigstoreSigner timestampFrom`),
    types: names(`CertificateSignerOptions CheckedBundle CountedBundles DigestOptions HashType KeySignerOptions LoggedAt
      MadeSignature ModelDigest Pkcs11CertificateSignerOptions Pkcs11KeySignerOptions Serialization SignAgainOptions
      SignOptions SignedAgain SignedAt SignedBy SignedModel Signer SigningMethod SigningWarning SigstoreSignerOptions StatedDigest
      TimestampRequest TrustRootSource TufInstance TufSource`),
  },
  './attestation': {
    values: names(
      `attestModel attestationKinds checkAttestationOutput lineage makeAttestation makeEvaluation makeProvenance makeVerificationSummary modelIdentity predicateTypeOf provenanceInputs readAttestationFile readAttestations
      weighAttestations`,
    ),
    types:
      names(`Ancestor AttestOptions Attestation AttestationFile AttestationVerdict AttestedContents AttestedModel Belief Contradiction
      DataCard Evaluation EvaluationResult InspectedAttestation InspectedSigner LineageNode LineageRole Manifest ModelCard Provenance
      ProvenanceInput ProvenanceInputs ReadAttestationsOptions Signer SubjectDigests SummaryInput VerificationSummary WeighedAttestation WeighedAttestations`),
  },
  './advisory': {
    values:
      names(`addToFeed compareFeeds createFeedSource exportOpenVex feedEntries importOpenVex inspectFeed readFeedSource
      removeFromFeed signFeed verifyFeed`),
    types:
      names(`AddingOptions AdvisoryFeed Denied ExportedVex FeedChanges FeedContent FeedEdited FeedEntries FeedEntryVerdict FeedSource
      FeedVerifiedByPolicy ImportedVex InspectedFeed InspectedSigner ListedEntry NewFeed SignFeedOptions SignatureTime SignedFeed Signer
      VerifiedFeed VerifiedIdentity Verifier VerifyFeedByPolicyOptions VerifyFeedOptions`),
  },
  './monitor': {
    values: names(`monitorLog saveCheckpoint`),
    types: names(`FoundEntry LogCheckpoint MonitorOptions MonitorResult TrustRootSource TufInstance TufSource`),
  },
  './verification': {
    values:
      names(`checkIdentity exportTrustRoot inspectModel loadSigstoreTrust readBundle readCertificates readRevocationLists systemRoots
      updateTrustRoot validateChain verifyCertificateBundle verifyKeyBundle verifyModel verifySigstoreBundle`),
    types:
      names(`CertificateIdentity CertificateInput CertificateTrust CertificateVerifier ChainInput ChainPath ExpectedIdentity
      InspectOptions InspectedBundle InspectedFile InspectedLogEntry InspectedModel InspectedSigner InspectedStatement
      KeyIdentity KeyVerifier ListedFile Manifest PublicKey Resource SignatureArithmetic SignatureTime SigningMethod SigstoreIdentity
      SigstoreTrust SigstoreVerifier TimeTrust TrustRootInfo TrustRootSource TufInstance TufSource UnverifiedBundle
      UpdateOptions VerifiedIdentity VerifiedSignature Verifier VerifyOptions VerifyResult`),
  },
  './policy': {
    values: names(
      `WARNING_CODES checkPolicy examineHost explain judgeModel loadPolicy policyDigests previewVerdict startingPolicy testPolicy watchPolicy`,
    ),
    types:
      names(`AcceptedVerdict AdvisoryVerdict BundleVerdict CheckName CheckVerdict Decision DirectoryFacts ExpectationResult HostFacts IsolationFacts ModelFormat Policy PolicyDigests PolicyFile
      PolicyFinding StartingSigner UnverifiedVerdict Verdict VerdictWarning WatchOptions WatchedPolicy`),
  },
  './adapter': {
    values:
      names(`installedGuard isModelSource judgeMemory keepRevocable loadOptions modelLocation noAttestations onlyModel openOptions outcomeOf
      parseJsonInTurns parseStrictJson readSmallFile referencedName runtimeFailed shown tolerate withHint withVerdict`),
    types:
      names(`FileRequest Gather Guard IsolationLevel JsonBounds JudgedMemory LoadOutcome ModelFormat ModelReader Opening PlaceOptions
      PlacedFiles PossibleFormats Revocable RuntimeFailure SmallFile ToleratedModel`),
  },
  './opentelemetry': {
    values: names(`instrumentLoads instrumentLogs`),
    types: names(`EmittedLog LogOptions LogProvider TelemetryOptions`),
  },
  './errors': {
    values: names(`ERROR_CODES ModelSealError sentenceOf shown`),
    types: names(`ErrorCode ErrorDetails FileProblem SerializedError`),
  },
  './judged': {
    values: names(`holds openJudged`),
    types: names(`HandOuts HandedOut Judge LoadRequest`),
  },
  './formats': {
    values: names(`WireReader bytesInMemory inTurns withBytesOfFile`),
    types: names(`ByteSource Steps`),
  },
  './http': {
    values: names(
      `CONNECTIONS Downloads HttpClient PartialFile RequestRetries checkedHttpOptions collected filePieces foldedName heldOpen ignoresRanges isLoopback isOwnDirectory
      isPrivate partFault plainUrl redirectRule requestTarget withHint`,
    ),
    types: names(
      `CheckedHttpOptions ClientOptions HttpAnswer HttpBody HttpContent HttpOptions HttpRequest Range RedirectRule`,
    ),
  },
  './distributed': {
    values: names(
      `LARGEST_BUNDLE_BYTES SourceHasher array canonicalJson hashFilesOnDisk hashingElsewhere int isCanonicalJson lanes literal oneOf sourceOf strictObject string`,
    ),
    types: names(
      `DiskHashingOptions ElsewhereRequest FileElsewhere HashElsewhere HashType ModelSource PartHashingOptions Schema WantedDigest WritableBundle`,
    ),
  },
  './publishing': {
    values: names(
      `HashedFile changedFile checkServed digestOfFile forPublisher otherBundlesAmong preparePublication publishableBeside pushConflict pushRefused pushUnproven
      readBack readClaims signStatement unsignedAmong withClaims writeFileWhole`,
    ),
    types: names(`CheckServedOptions OtherBundles Publication PublicationOptions PublicationSigner PublishedBundle
      PublishedAttestation PublishedFile ServedModel UnpublishedAttestation WholeFile`),
  },
  './journal': {
    values:
      names(`ADVISORY_CHANNEL COLLECTED_FILE COMMITS CommitTree HEADS HeadsBySegment JOURNAL_CHANNEL JOURNAL_FILE KEY_FILE MAX_CHECKPOINT_BYTES
      MAX_COLLECTED_FILE MAX_JOURNAL_FILE PACKED Problems RECORD_TYPES SEGMENTS SegmentProgress UNSIGNED_SEGMENT checkLine checkPrivate checkPrivateFile checkpointAt checkpointFrom commitAt
      commitFile commitIn cosignaturesBy cosignedAt enableJournal foreignReference isAboutLoad largest leafBytes makeCacheFolder makeDirectories misplaced newestCheckpoint newestIndex openJournal
      originOf packFile packIn parseNote problemLine proofOfGrowth pruneJournal
      readCheckpointFile readCollected readCommit readCommits readJournal readJournalFile readLine readLines readSegment readVerifierKey segmentIdsIn
      segmentPath signatureFault signedCheckpoint throwIfAborted verifierKey verifyJournal witnessKey writeCollected writeCommit writeNote writerOf`),
    types:
      names(`AdvisoryChange CheckpointKey Collected Commit CommitFault CommitReading CommitsRead Cosigner GivenCheckpoint JournalCheckpoint JournalEntry JournalFile JournalOptions
      JournalProblem JournalRecord JournalReport JournalState NoteSignature OpenedJournal PruneOptions PrunedJournal RecordOf RecordType SegmentHead SegmentHeads SegmentReading
      SegmentRecord SegmentState SignedNote VerifyJournalOptions`),
  },
  './source': {
    values: names(
      `CLAIMS_NAME MAX_ATTESTATIONS MAX_CLAIMS_BYTES filesAt httpModelSource localModelSource registerScheme`,
    ),
    types:
      names(`BundleCandidate BundleGroup BundleRequest ClaimsCandidate HttpOptions LocalSource ModelDirectory ModelFiles
      ModelPlace ModelSource NamePattern PlainModel ReadRequest Receive SignedContent SourceAbilities SourceBody SourceEntry SourceLoad SourceOfUrl
      SourceSession SourceTimeouts WritableBundle`),
  },
}

function names(list: string): string[] {
  return list.split(/\s+/)
}

const CORE = join(import.meta.dirname, '../packages/core')
const require = createRequire(import.meta.url)
const nameOf = (entry: string) => join('@modelseal/core', entry)

/** Names that the built declarations export; rollup lists them at the end. */
function declaredBy(file: string): string[] {
  const text = readFileSync(join(CORE, 'dist', file), 'utf8')
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    .flatMap(([, names = '']) => names.split(','))
    .map((name) => name.replace(/^.* as /, '').trim())
    .sort()
}

// Compares errors across entry points, in a separate process because Vitest loads modules by its own rules.
test.each(['esm', 'cjs'])('all entry points share one error class: %s', (format) => {
  const script = `(async () => {
    const entry = async (name) => ${format === 'esm' ? "import('@modelseal/core' + name)" : "require('@modelseal/core' + name)"}
    const [core, signing, verification, policy, adapter, errors] = await Promise.all(
      ['', '/signing', '/verification', '/policy', '/adapter', '/errors'].map(entry))
    const refusals = [
      () => core.openVerifiedModel(5),
      () => signing.keySigner({ privateKey: 5 }),
      () => verification.readBundle(5),
      () => policy.loadPolicy(5),
      () => policy.explain(5),
      () => adapter.onlyModel([], []),
      () => { throw new errors.ModelSealError('INVALID_ARGUMENT', '') },
    ]
    const told = await Promise.all(refusals.map(async (refusal) => {
      try { await refusal(); return 'none' } catch (error) {
        return [error.code, error instanceof core.ModelSealError, error.constructor === core.ModelSealError].join()
      }
    }))
    console.log(JSON.stringify(told))
  })()`
  expect(run(script)).toEqual(Array(7).fill('INVALID_ARGUMENT,true,true'))
})

test('ES modules and CommonJS share the schemes that packages register, in both directions', async () => {
  using workspace = new Workspace()
  const model = await workspace.sign('m', { 'weights.bin': 'weights' })
  const script = `(async () => {
    const esm = { ...await import('@modelseal/core'), ...await import('@modelseal/core/source') }
    const cjs = { ...require('@modelseal/core'), ...require('@modelseal/core/source') }
    if (esm.registerScheme === cjs.registerScheme) throw new Error('one copy proves nothing')
    const [model, policy] = ${JSON.stringify([model, workspace.policy])}
    const told = []
    for (const [scheme, enters, loads] of [['first', esm, cjs], ['second', cjs, esm]]) {
      const load = () => loads.openVerifiedModel(scheme + '://m', { policy })
      told.push(await load().catch(({ code }) => code))
      enters.registerScheme(scheme, () => enters.localModelSource(model))
      const opened = await load()
      told.push(opened.decision, Buffer.from(await opened.read('weights.bin')).toString())
      await opened.close()
    }
    console.log(JSON.stringify(told))
  })()`
  const told = ['SCHEME_UNKNOWN', 'accepted', 'weights']
  expect(run(script)).toEqual([...told, ...told])
})

function run(script: string): unknown {
  return JSON.parse(
    execFileSync(process.execPath, ['--eval', script], { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }),
  )
}

test('every entry point for users is listed here', () => {
  const { exports } = require('@modelseal/core/package.json') as { exports: object }
  const schemas = [
    'policy.schema.json',
    'evaluation.schema.json',
    'evaluation-predicate.schema.json',
    'advisory-feed-predicate.schema.json',
  ]
  const own = ['any-realm', 'environment', 'find-policy', 'guard', ...schemas, 'package.json']
  expect(Object.keys(exports)).toEqual(
    expect.arrayContaining([...Object.keys(ENTRIES), ...own.map((name) => `./${name}`)]),
  )
  expect(Object.keys(exports)).toHaveLength(Object.keys(ENTRIES).length + own.length)
})

describe.each(Object.entries(ENTRIES))(
  'the entry point %s exports what is listed, and nothing else',
  (entry, { values, types }) => {
    const all = [...values, ...types].sort()
    const file = entry === '.' ? 'index' : entry.slice(2)

    test('as ES module', async () => {
      expect(Object.keys((await import(nameOf(entry))) as object).sort()).toEqual(values)
      expect(declaredBy(`${file}.d.ts`)).toEqual(all)
    })

    test('as CommonJS', () => {
      expect(Object.keys(require(nameOf(entry)) as object).sort()).toEqual(values)
      expect(declaredBy(`${file}.d.cts`)).toEqual(all)
    })
  },
)

test('the published types refer to no package that is not installed with the core', () => {
  const found = readdirSync(join(CORE, 'dist'))
    .filter((name) => /\.d\.c?ts$/.test(name))
    .flatMap((name) => readFileSync(join(CORE, 'dist', name), 'utf8').split('\n'))
    .flatMap((line) => /^(?:import|export) (?:.* from )?'([^'.][^']*)';$/.exec(line)?.[1] ?? [])
    .filter((name) => !name.startsWith('node:'))
  // An optional peer of an entry point of its own.
  expect([...new Set(found)]).toEqual(['@opentelemetry/api'])
})
