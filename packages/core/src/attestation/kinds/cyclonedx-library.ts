import type * as Library from '@cyclonedx/cyclonedx-library'
import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { isFields } from '../../schema/compounds.ts'
import { errno } from '../../source/file-errors.ts'
import { optionalPackage } from '../../source/optional-package.ts'
import { denialHint } from '../../source/private/access-denied.ts'
import { CYCLONEDX_VERSIONS } from './cyclonedx.ts'
import type { PredicateFault } from './kind.ts'

/** The library of CycloneDX contains the published schemas, but does not install the packages that it validates with. */
const INSTALL = 'npm install @cyclonedx/cyclonedx-library@10 ajv@8 ajv-formats@3 ajv-formats-draft2019@1'

/**
 * Loads the optional package that validates CycloneDX documents.
 *
 * @throws {@link ModelSealError} `CYCLONEDX_UNAVAILABLE`
 */
export function cycloneDxLibrary(): typeof Library {
  try {
    return optionalPackage('@cyclonedx/cyclonedx-library') as typeof Library
  } catch (cause) {
    throw unavailable(cause, errno(cause) === 'MODULE_NOT_FOUND' && messageOf(cause).includes("'@cyclonedx/"))
  }
}

/** By version. Each compiles the schema, which takes half a second. */
const validators = new Map<unknown, Library.Validation.JsonStrictValidator>()

/**
 * Validates a document against the published schema of its version, which refuses unknown fields.
 *
 * @throws {@link ModelSealError} as `fault` makes it; `CYCLONEDX_UNAVAILABLE`
 */
export async function validateCycloneDx(document: unknown, fault: PredicateFault): Promise<void> {
  const version = isFields(document) ? document['specVersion'] : undefined
  if (!CYCLONEDX_VERSIONS.some((known) => known === version))
    throw fault('specVersion', CYCLONEDX_VERSIONS.map((known) => `"${known}"`).join(' or '), version)
  const { Validation } = cycloneDxLibrary()
  const validator = validators.get(version) ?? new Validation.JsonStrictValidator(version as Library.Spec.Version)
  validators.set(version, validator)
  const errors: unknown = await validator.validate(JSON.stringify(document)).catch((cause: unknown) => {
    throw cause instanceof Validation.MissingOptionalDependencyError ? unavailable(cause, true) : cause
  })
  const [first] = deepestFirst(errors)
  if (!first) return
  const { instancePath, message = 'another value', params } = first
  const name = params['additionalProperty'] ?? params['unevaluatedProperty']
  const path = [...instancePath.split('/').slice(1), ...(typeof name === 'string' ? [name] : [])]
  throw fault(path.join('.'), `a document that conforms to CycloneDX ${String(version)}`, message)
}

/** An error of the validator ajv. */
interface SchemaError {
  /** A JSON Pointer. */
  instancePath: string
  message?: string
  params: Readonly<Record<string, unknown>>
}

/** Where the schema has alternatives, the deepest error is about the alternative that was meant. */
function deepestFirst(errors: unknown): SchemaError[] {
  const depth = ({ instancePath }: SchemaError) => instancePath.split('/').length
  return ((errors ?? []) as SchemaError[]).toSorted((a, b) => depth(b) - depth(a))
}

function unavailable(cause: unknown, isMissing: boolean): ModelSealError {
  const what = 'Cannot make a card: the optional packages that validate CycloneDX documents'
  return new ModelSealError(
    'CYCLONEDX_UNAVAILABLE',
    isMissing ? `${what} are not installed.` : `${what} are installed, but cannot be loaded.`,
    {
      found: isMissing ? undefined : shown(messageOf(cause)),
      hint: isMissing
        ? `Run "${INSTALL}", beside @modelseal/core or, if the program is bundled, beside the bundle.`
        : (denialHint(cause) ?? `Install them again: "${INSTALL}".`),
      cause,
    },
  )
}
