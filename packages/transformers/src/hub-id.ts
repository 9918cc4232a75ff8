/** By Transformers.js: a name, or an organisation and a name. */
const ID = /^(?:\b[\w.-]{1,96}\b\/)?\b[\w.-]{1,96}\b$/
/** First components that are other things on the hub. Directories often have these names. */
const RESERVED: ReadonlySet<string> = new Set(['models', 'datasets', 'spaces', 'api', 'buckets', 'collections', 'docs'])

/** Whether this is how Transformers.js names a model on Hugging Face: `ORG/NAME`, or only a name. */
export function isHubId(given: unknown): given is string {
  if (typeof given !== 'string' || !ID.test(given) || /\.\.|--|\.(?:git|ipynb)$/.test(given)) return false
  return !RESERVED.has(given.split('/', 1)[0] ?? '')
}
