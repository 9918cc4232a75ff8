import { shown } from '../../errors.ts'
import { compileGlob, globFault } from './glob.ts'

/** One alternative of a glob, with the text that it was written in. */
interface Written {
  readonly glob: string
  /** The components after the scheme; undefined for one with wildcards. */
  readonly components: readonly (string | undefined)[]
  /** True if `**` matches any number of further components. */
  readonly isDeep: boolean
}

/** Says what is wrong with a glob that begins with the scheme; undefined if it is valid. */
const FAULTS = new Map<string, (written: Written) => string | undefined>([
  ['hf:', huggingFaceFault],
  ['oci:', registryFault],
  ['s3:', bucketFault],
  ['http:', () => 'a model over HTTP has no such source; write it under "url"'],
  ['https:', () => 'a model over HTTP has no such source; write it under "url"'],
  ['file:', () => 'a model on this machine has no such source; write its path under "path"'],
])

/**
 * What is wrong with a glob over sources. Sources are compared in one spelling only and without revision, tag and
 * folder, so a rule with anything else would never match, and a later rule would apply.
 */
export function sourceGlobFault(glob: string): string | undefined {
  const fault = globFault(glob)
  if (fault !== undefined) return fault
  const { spelled, depths } = compileGlob(glob)
  for (const [index, [scheme, empty, ...components]] of spelled.entries()) {
    if (scheme === undefined || !/^[a-z][a-z0-9+.-]+:$/.test(scheme) || empty !== '' || components.length === 0)
      return `every source begins with its scheme in lower case, as ${shown('hf://org/*')} and ${shown('oci://registry.example/**')} do`
    if (components.at(-1) === '') return 'it ends with a slash, which no source does'
    const isDeep = depths[index] === Infinity
    const odd = FAULTS.get(scheme)?.({ glob, components, isDeep })
    if (odd !== undefined) return odd
  }
  return undefined
}

const PINNED = 'To accept commits and digests only, add "require: { pinned: true }"'

function huggingFaceFault({ glob, components, isDeep }: Written): string | undefined {
  if (glob.includes('@')) return `sources are compared without their revision. ${PINNED}`
  if (glob.includes('%')) return 'the names of a hub have no escapes'
  const [first] = components
  if (first === 'models') return `models are written without "models/", as in ${shown('hf://org/*')}`
  if (first === 'datasets' && components.length === 1) return `write ${shown('hf://datasets/org/*')}`
  // Of two or three components, depending on what a wildcard stands for.
  const most = first === 'datasets' || first === undefined ? 3 : 2
  return !isDeep && components.length > most ? 'sources are compared without their folder' : undefined
}

/** Keys are compared as S3 encodes them (RFC 3986): every character is escaped but letters, digits and `-_.~`. */
function bucketFault({ glob, components: [bucket, ...path] }: Written): string | undefined {
  if (bucket !== undefined && /[A-Z]/.test(bucket)) return 'buckets are written in lower case'
  for (const component of path) {
    if (component === undefined) continue
    if (/^\.{0,2}$/.test(component)) return 'no source has an empty component, "." or ".."'
    const written = escaped(component)
    if (written === undefined) return 'a percent sign is written as "%25"'
    if (written !== component) return `keys are compared with escapes; write ${shown(written)}`
  }
  // In a component with wildcards.
  return /[^\x21-\x7e]/.test(glob) ? 'keys are compared with escapes, such as "%20" for a space' : undefined
}

/** Undefined if an escape is not valid. */
function escaped(component: string): string | undefined {
  try {
    const escape = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
    return encodeURIComponent(decodeURIComponent(component)).replace(/[!'()*]/g, escape)
  } catch {
    return undefined
  }
}

function registryFault({ glob, components, isDeep }: Written): string | undefined {
  const [host, ...repository] = components
  if (repository.length === 0 && !isDeep)
    return `every source in a registry has a repository; write ${shown(`${glob}/**`)}`
  if (/[@:]/.test(glob.replace(/^[^/]*:\/\/[^/]*/, '')))
    return `sources are compared without their tag and digest. ${PINNED}`
  if (glob.includes('%')) return 'the names of a registry have no escapes'
  if (components.some((part) => part !== undefined && /[A-Z]/.test(part)))
    return 'registries and repositories are written in lower case'
  if (host?.endsWith(':443') === true)
    return `registries are compared without the default port; write ${shown(host.replace(/:443$/, ''))}`
  if (host === 'index.docker.io' || host === 'registry-1.docker.io')
    return `Docker Hub is written as ${shown('oci://docker.io')}`
  if (host === 'docker.io' && repository.length === 1 && repository[0] !== undefined)
    return `official images of Docker Hub are written as ${shown(`oci://docker.io/library/${repository[0]}`)}`
  return undefined
}
