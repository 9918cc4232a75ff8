import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'

/**
 * Loads a package that is only installed where it is used. Hidden from bundlers.
 *
 * @param needed what it is needed for, as in "use the queue", and what to install
 * @param require finds it (default: as this package does)
 * @throws {@link ModelSealError} `FLEET_PACKAGES`
 */
export function optionalPackage(
  name: string,
  { what, install }: { what: string; install: string },
  require = requireFrom(import.meta.url),
): unknown {
  try {
    return require(name) as unknown
  } catch (cause) {
    throw new ModelSealError('FLEET_PACKAGES', `Cannot ${what}: the package ${name} cannot be loaded.`, {
      found: shown(messageOf(cause)),
      hint: `Install it: npm install ${install}`,
      cause,
    })
  }
}

/** Finds packages as the file of that path or URL does. */
export function requireFrom(file: string | URL): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(file)
}
