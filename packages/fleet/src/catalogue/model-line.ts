/** Whether a model of a catalogue is elsewhere. A path with a scheme before it would be one with two slashes. */
export function isUrl(model: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(model)
}

/** A misspelled URL. As a path, it would be in messages with its password. */
export function isAlmostUrl(model: string): boolean {
  return /^(https?|file|hf|oci|s3):/i.test(model) && !isUrl(model)
}

/**
 * Why a URL must not be passed on to workers: what it contains could be read by everybody who reads the queue.
 *
 * @returns a phrase; undefined if it may be
 */
export function sourceFault(model: string): string | undefined {
  if (!isUrl(model) || !URL.canParse(model)) return 'not a URL'
  const { username, password, search, hash } = new URL(model)
  if (username !== '' || password !== '') return 'a URL with a user or a password'
  if (search !== '' || hash !== '') return 'a URL with a query or a fragment'
  return undefined
}
