import { ModelSealError, shown } from '@modelseal/core/errors'
import type { PlannedJob } from '../jobs/split.ts'
import type { Result } from '../results/result.ts'

/** Two workers computed different digests of the same bytes. */
export function disagreeing({ job }: PlannedJob, one: Result, other: Result): ModelSealError {
  const index = one.digests.findIndex((digest, place) => digest !== other.digests[place])
  const name = job.files.flatMap((file) => file.parts.map(() => file.name))[index] ?? ''
  return new ModelSealError(
    'FLEET_DISAGREES',
    `Cannot use the digests of ${shown(name)}: the workers ${one.worker} and ${other.worker} computed different ones.`,
    {
      file: name,
      expected: `${one.digests[index] ?? ''} (${one.worker})`,
      found: `${other.digests[index] ?? ''} (${other.worker})`,
      hint: 'One of them is broken or lies. Find out which, remove it from the file of workers, and run the command again.',
    },
  )
}

/** No result of a job counts. */
export function unauthentic({ id, job }: PlannedJob, found: string): ModelSealError {
  return new ModelSealError(
    'FLEET_RESULT',
    `Cannot use the results of the job ${id.slice(0, 16)}: none of them is authentic.`,
    {
      ...(job.files[0] ? { file: job.files[0].name } : {}),
      found,
      hint: 'Check that the file of workers has the secret of every worker, and who else can write to the queue.',
    },
  )
}
