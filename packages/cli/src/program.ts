import { Command } from 'commander'
import { commandPath } from './command-path.ts'
import { addFeedEditing } from './commands/advisory/edit.ts'
import { addFeedExchange } from './commands/advisory/openvex.ts'
import { addFeedShowing } from './commands/advisory/show.ts'
import { addFeedSigning, SIGN_FEED_HELP } from './commands/advisory/sign.ts'
import { addFeedVerifying } from './commands/advisory/verify.ts'
import { addAttestMethod, ATTEST_HELP } from './commands/publish/attest.ts'
import { addFleetPlanning } from './commands/fleet/plan.ts'
import { addFleetSigning, SIGN_FLEET_HELP } from './commands/fleet/sign.ts'
import { addFleetVerifying } from './commands/fleet/verify.ts'
import { addFleetWorking } from './commands/fleet/worker.ts'
import { addIncident } from './commands/respond/incident.ts'
import { addJournalExport } from './commands/journal/export.ts'
import { addJournalFollowing } from './commands/journal/follow.ts'
import { addJournalPruning } from './commands/journal/prune.ts'
import { addJournalPushing } from './commands/journal/push.ts'
import { addJournalServing } from './commands/journal/serve.ts'
import { addJournalVerifying } from './commands/journal/verify.ts'
import { addJournalWitnessing } from './commands/journal/witness.ts'
import { addDigest } from './commands/verify/digest.ts'
import { addInspect } from './commands/verify/inspect.ts'
import { addPolicyCheck } from './commands/policy/policy-check.ts'
import { addPolicyExplain } from './commands/policy/policy-explain.ts'
import { addPolicyInit } from './commands/policy/policy-init.ts'
import { addPolicyTest } from './commands/policy/policy-test.ts'
import { addPull } from './commands/verify/pull.ts'
import { addPush, addPushMethod } from './commands/publish/push.ts'
import { addCompletion } from './commands/operate/completion.ts'
import { addDoctor } from './commands/operate/doctor.ts'
import { addMonitor } from './commands/operate/monitor.ts'
import { addReceipts } from './commands/operate/receipts.ts'
import { CERTIFICATE } from './commands/publish/sign-certificate.ts'
import { KEY } from './commands/publish/sign-key.ts'
import { PKCS11_CERTIFICATE, PKCS11_KEY } from './commands/publish/sign-pkcs11.ts'
import { SIGSTORE } from './commands/publish/sign-sigstore.ts'
import type { SigningFlags } from './commands/publish/signing.ts'
import { addSigningMethod, type SigningMethod } from './commands/publish/signing-method.ts'
import { addTrustRoot } from './commands/operate/trust-root.ts'
import { addVerifyCertificate } from './commands/verify/verify-certificate.ts'
import { addVerifyKey } from './commands/verify/verify-key.ts'
import { addVerifyPolicy } from './commands/verify/verify-policy.ts'
import { logLevelOption } from './log-level.ts'
import { addVerifySigstore } from './commands/verify/verify-sigstore.ts'
import { addVerifySummary } from './commands/verify/verify-summary.ts'
import type { Perform } from './perform.ts'

/**
 * Creates the program with its commands. Errors of the command line are thrown, not printed.
 *
 * @param only the name of the only command to create: creating the others would take time
 */
export function createProgram(version: string, perform: Perform, only?: string): Command {
  const program = new Command('modelseal')
    .description('Signs, verifies and digests machine-learning models (OpenSSF Model Signing).')
    .version(version)
    .addOption(logLevelOption())
    .exitOverride()
    // A method and its parent may have options of the same name: `verify` and `verify key` both have --signature.
    .enablePositionalOptions()
    .configureOutput({ outputError: () => {} })
    // With arguments, the longest name would leave no room to wrap the descriptions.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', PROGRAM_HELP)
    .hook('preAction', (_, command) => refuseMisplacedOptions(command))

  const add = only !== undefined && Object.hasOwn(COMMANDS, only) ? COMMANDS[only] : undefined
  for (const one of add ? [add] : Object.values(COMMANDS)) one(program, perform)
  return program
}

/** In the order in which the help names them. */
const COMMANDS: Record<string, (program: Command, perform: Perform) => void> = {
  sign: addSigning,
  attest: addAttesting,
  verify: addVerifying,
  inspect: addInspect,
  pull: addPull,
  digest: addDigest,
  push: addPushing,
  'trust-root': addTrustRoot,
  monitor: addMonitor,
  receipts: addReceipts,
  policy: addPolicy,
  advisory: addAdvisory,
  journal: addJournal,
  incident: addIncident,
  fleet: addFleet,
  doctor: addDoctor,
  completion: (program, perform) =>
    addCompletion(program, perform, (only) => createProgram('', () => () => Promise.resolve(), only)),
}

/** What `sign`, `attest`, `push` and other commands can sign with, in the order in which the help names them. */
const SIGNING_METHODS: readonly SigningMethod<SigningFlags>[] = [
  SIGSTORE,
  KEY,
  CERTIFICATE,
  PKCS11_KEY,
  PKCS11_CERTIFICATE,
]

function addSigning(program: Command, perform: Perform): void {
  const sign = program
    .command('sign')
    .description('Sign a model.')
    .addHelpText(
      'after',
      '\nExample:\n  $ modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig',
    )
  for (const method of SIGNING_METHODS) addSigningMethod(sign, perform, method)
}

function addAttesting(program: Command, perform: Perform): void {
  const attest = program
    .command('attest')
    .description('Sign a statement about a signed model: its evaluation, model card, provenance.')
    .addHelpText('after', ATTEST_HELP)
  for (const method of SIGNING_METHODS) addAttestMethod(attest, perform, method)
}

function addPushing(program: Command, perform: Perform): void {
  const push = addPush(program, perform)
  for (const method of SIGNING_METHODS) addPushMethod(push, perform, method)
}

function addVerifying(program: Command, perform: Perform): void {
  const verify = addVerifyPolicy(program, perform)
  addVerifySigstore(verify, perform)
  addVerifyKey(verify, perform)
  addVerifyCertificate(verify, perform)
  for (const method of SIGNING_METHODS) addVerifySummary(verify, perform, method)
}

function addPolicy(program: Command, perform: Perform): void {
  const policy = program.command('policy').description('Write, check, explain and test a trust policy.')
  addPolicyInit(policy, perform)
  addPolicyCheck(policy, perform)
  addPolicyExplain(policy, perform)
  addPolicyTest(policy, perform)
}

function addAdvisory(program: Command, perform: Perform): void {
  const advisory = program
    .command('advisory')
    .description('Publish an advisory feed: a signed list of models, files and signers that services must not accept.')
    .addHelpText('after', ADVISORY_HELP)
  addFeedEditing(advisory, perform)
  const sign = advisory.command('sign').description('Sign a version of a feed.').addHelpText('after', SIGN_FEED_HELP)
  for (const method of SIGNING_METHODS) addFeedSigning(sign, perform, method)
  addFeedVerifying(advisory, perform)
  addFeedShowing(advisory, perform)
  addFeedExchange(advisory, perform)
}

function addJournal(program: Command, perform: Perform): void {
  const journal = program
    .command('journal')
    .description('Verify, export, follow, prune and witness a journal of verdicts, and collect those of many hosts.')
  addJournalVerifying(journal, perform)
  addJournalExport(journal, perform)
  addJournalFollowing(journal, perform)
  addJournalPruning(journal, perform)
  addJournalPushing(journal, perform)
  addJournalServing(journal, perform)
  addJournalWitnessing(journal, perform)
}

function addFleet(program: Command, perform: Perform): void {
  const fleet = program
    .command('fleet')
    .description('Sign and verify catalogues of models, whose files many machines hash.')
  const sign = fleet
    .command('sign')
    .description('Sign the models of a catalogue.')
    .addHelpText('after', SIGN_FLEET_HELP)
  for (const method of SIGNING_METHODS) addFleetSigning(sign, perform, method)
  addFleetVerifying(fleet, perform)
  addFleetPlanning(fleet, perform)
  addFleetWorking(fleet, perform)
}

const ADVISORY_HELP = `
Example:
  $ modelseal advisory create advisories.yaml --feed https://models.example/advisories
  $ modelseal advisory add advisories.yaml --key stolen.pub --reason "laptop stolen"
  $ modelseal advisory sign key advisories.yaml --output advisories.jsonl --private-key security.key`

const PROGRAM_HELP = `
Examples:
  $ modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig
  $ modelseal verify key models/vad --signature models/vad/model.sig --public-key release.pub
  $ modelseal verify models/vad --policy modelseal.policy.yaml
  $ modelseal pull hf://org/vad@v1.0 models/vad
  $ modelseal digest models/vad

Exit code: 0 on success, 1 if signing or verifying fails, 2 if the command line is wrong, 3 if "monitor" or
"policy check" found something to look at.
Run a command with --help for details, such as "modelseal sign key --help".`

/**
 * Refuses options of `verify` before the word `key`, such as `--policy`: they would be silently ignored.
 */
function refuseMisplacedOptions(command: Command): void {
  // The program's own options belong before the command.
  for (let parent = command.parent; parent?.parent; parent = parent.parent) {
    for (const option of parent.options) {
      if (parent.getOptionValueSource(option.attributeName()) !== 'cli') continue
      command.error(
        `error: option '${option.long ?? option.flags}' cannot be used with '${commandPath(command)}', or must come after it`,
      )
    }
  }
}
