import { shown } from '../../errors.ts'
import type { PolicySource } from '../reading/include.ts'
import type { TrackedFiles } from '../reading/reading.ts'
import type { Revocations } from '../revocations/revocations.ts'
import { RootFiles } from './root-files.ts'
import { writtenRootKind, type CompiledRoot } from './roots.ts'

/** Reads the files of all trust roots. */
export async function readTrustRoots(
  sources: readonly PolicySource[],
  revocations: Revocations,
  reading: TrackedFiles,
): Promise<Map<string, CompiledRoot>> {
  const roots = new Map<string, CompiledRoot>()
  for (const source of sources) {
    for (const [name, written] of Object.entries(source.file.trustRoots ?? {})) {
      const at = ['trustRoots', name]
      if (roots.has(name))
        reading.problems.push(source.text.fault(at, `The trust root ${shown(name)} is defined twice.`))
      const files = new RootFiles(source, at, revocations, reading)
      const root = await writtenRootKind(written).read(written, name, files)
      roots.set(name, root as CompiledRoot)
    }
  }
  return roots
}
