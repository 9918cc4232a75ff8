/** Records of OpenTelemetry logs, and events of spans. The names are those in `packages/core/src/telemetry` and `packages/fleet/src/telemetry`. */
export const LOG_DESCRIPTIONS: Record<string, string> = {
  'modelseal.load':
    'A verdict. `INFO` if the model was accepted or its check was skipped, `WARN` if the mode `audit` tolerated what would have been refused, `ERROR` if it was refused.',
  'modelseal.revoked': 'A model that was loaded before has been revoked (`ERROR`).',
  'modelseal.policy': 'A watched policy has a new version (`INFO`), or a new version that cannot be used (`ERROR`).',
  'modelseal.advisory': 'An advisory feed has a new version (`INFO`), or looking for one failed (`WARN`).',
  'modelseal.journal': 'A journal cannot be written (`ERROR`), or can be written again (`INFO`).',
}

export const SPAN_DESCRIPTIONS: Record<string, string> = {
  'modelseal.load': 'Around each verified load. Its status is an error with the code if the model was refused.',
}

export const SPAN_EVENT_DESCRIPTIONS: Record<string, string> = {
  'modelseal.refusal':
    'In the span of a load: it was refused, or would have been in the mode `enforce`. Its attribute is `modelseal.code`.',
}

/** Attributes of spans, metrics and log records. */
export const ATTRIBUTE_DESCRIPTIONS: Record<string, string> = {
  'modelseal.decision': '`accepted`, `refused`, `tolerated` (loaded unverified under the mode `audit`) or `skipped`.',
  'modelseal.code': '[Code](errors.md) of the refusal; under the mode `audit`, of the refusal that was tolerated.',
  'modelseal.rule': 'Name of the rule that decided.',
  'modelseal.mode': 'Mode of the rule: `enforce`, `audit` or `skip`.',
  'modelseal.by': 'The program or adapter that asked for the model.',
  'modelseal.bytes': 'How many bytes were hashed.',
  'modelseal.files.checked': 'How many files were checked.',
  'modelseal.model.path': 'Path or URL under which the model was loaded.',
  'modelseal.model.url': 'URL of the model, if it was loaded from one.',
  'modelseal.model.revision': 'Revision that the hub or registry served.',
  'modelseal.model.name': 'Name that the signer gave to the model.',
  'modelseal.model.root_digest': 'Root digest of the model: the value that signatures cover.',
  'modelseal.signers': 'Names of the signers that the policy counted.',
  'modelseal.signers.fingerprints': 'Fingerprints of their keys or certificates.',
  'modelseal.policy.path': 'Path of the policy.',
  'modelseal.policy.digest': 'SHA-256 of the policy.',
  'modelseal.advisory.source': 'URL or path of the feed.',
  'modelseal.advisory.feed': 'Name of the feed.',
  'modelseal.advisory.sequence': 'Number of its version.',
  'modelseal.fleet.outcome':
    'What became of a model: `signed`, `unchanged` (it had this signature), `failed`, or the decision about it (`accepted`, `refused`, `tolerated`, `skipped`).',
  'modelseal.fleet.reason':
    'Why a job was offered again: `rejected` (its result was not authentic, or too old), `stalled` (its worker was killed), `returned` (its worker was stopped) or `lost` (Redis lost it).',
  'modelseal.journal.directory': 'Directory of the journal.',
  'modelseal.journal.lost': 'How many records were lost since the journal was last written.',
}
