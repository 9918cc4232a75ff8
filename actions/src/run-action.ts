import { debug, summary } from '@actions/core'
import { ModelSealError } from '@modelseal/core/errors'
import { annotate } from './annotations.ts'
import { sectionOf, type Fact } from './summary.ts'

/** What the summary of a job says about a step. */
export interface Section {
  title: string
  facts: readonly Fact[]
  /** Why the step fails; absent if it does not. */
  failure?: ModelSealError | undefined
  /** As the step names it. */
  model?: string
}

/** Runs the action of a step. A failure becomes annotations, a part of the summary of the job, and the exit code. */
export async function runAction(action: () => Promise<Section>): Promise<void> {
  const section = await action().catch(failedSection)
  if (section.failure) {
    annotate(section.failure, section.model)
    process.exitCode = 1
  }
  // Some runners have no summaries.
  if (process.env['GITHUB_STEP_SUMMARY']) await summary.addRaw(sectionOf(section)).write()
}

function failedSection(thrown: unknown): Section {
  if (thrown instanceof ModelSealError) return { title: `Failed: ${thrown.code}`, facts: [], failure: thrown }
  const { message = String(thrown), stack = '' } = thrown as Partial<Error>
  debug(stack)
  const failure = new ModelSealError('INTERNAL', `The action failed unexpectedly: ${message}.`)
  return { title: 'Failed: INTERNAL', facts: [], failure }
}
