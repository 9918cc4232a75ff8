import { codeOf, messageOf, reasonOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'

/** The refusal if a thread did not do its task. */
export function workerFailed(cause: unknown): ModelSealError {
  if (cause instanceof ModelSealError) return cause
  return new ModelSealError('WORKER_FAILED', 'Cannot hash the model: a hashing thread ended before it was done.', {
    found: shown(reasonOf(cause)),
    hint: workerHint(cause),
    cause,
  })
}

function workerHint(cause: unknown): string {
  const code = codeOf(cause) ?? ''
  if (code.endsWith('MODULE_NOT_FOUND'))
    return 'Put the missing file where the threads look for it (see docs/how-to/bundlers.md).'
  const message = messageOf(cause)
  if (message.includes('closeHashPool()')) return 'Call closeHashPool() when no model is being loaded.'
  if (/^ERR_WORKER_|^ENOMEM$/.test(code) || /thread ended|out of memory/.test(message))
    return 'Check the memory limits of the process, then load the model again.'
  return 'If the program gave a pool to configureHashing(), check that it runs tasks as Piscina does and does not end them. Without that pool, modelseal hashes in its own threads.'
}
