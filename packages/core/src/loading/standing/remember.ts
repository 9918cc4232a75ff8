import type { Verdict } from '../../results.ts'
import type { Load } from '../load.ts'
import type { OpenOptions } from '../open-options.ts'
import type { JudgedLoad } from './judged-load.ts'

/** Collects what has to be remembered for each policy that can change; nothing for others. */
export async function judgedLoads(load: Load): Promise<JudgedLoad[]> {
  const loads: JudgedLoad[] = []
  const verified = load.judgings.find((judging) => judging.accepted)?.accepted
  for (const judging of load.judgings) {
    const { judgedBy, accepted, verdict, stated } = judging
    if (!judgedBy) continue
    const { revision, requested, packageUrl } = await load.opened()
    const signed = accepted ?? verified
    loads.push({
      by: judgedBy,
      place: load.place,
      stated: { ...stated, format: afterLoading(stated.format, verdict.model.format) },
      revision: { revision, requested, packageUrl },
      found: accepted ? accepted.found : await judging.findIfAny(),
      isAccepted: accepted !== undefined,
      verified: signed && {
        manifest: signed.signature.manifest,
        files: signed.found.files,
        local: signed.found.files.local,
        attestations: signed.readAttestations,
      },
      mayBeUnsigned: judging.mayBeUnsigned,
      signature: load.options.signature,
      content: load.content,
      reopen: load.reopening(),
    })
  }
  return loads
}

/** The model is not asked again which format it has. */
function afterLoading(stated: OpenOptions['format'], loaded: Verdict['model']['format']): OpenOptions['format'] {
  return typeof stated === 'object' ? { oneOf: stated.oneOf, claimed: () => Promise.resolve(loaded) } : stated
}
