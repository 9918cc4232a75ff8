import * as fs from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { AllowedIsolation, type Isolation, type IsolationLevel } from '../loading/placing/isolation.ts'
import { Placing, type PlaceableFiles } from '../loading/placing/placed-files.ts'
import type { Placement } from '../manifest/contents.ts'
import type { Rule } from '../policy/rule.ts'
import { identityOf, type SourceFile } from '../source/local/source-file.ts'
import { scratch } from './scratch.ts'

/** What is asked of files, and how they behave. */
export interface PlacingGiven {
  asked?: Isolation
  rule?: readonly IsolationLevel[]
  /** Files that were checked before. */
  checked?: readonly string[]
  /** Changes to what is listed. */
  listed?: (file: SourceFile) => SourceFile
  check?: (placements: readonly Placement[]) => void
  copy?: (names: readonly string[], directory: string) => void
  isRemote?: boolean
}

/** Files of a model on this machine, and what is asked of them. */
export function placingOf(names: readonly string[], given: PlacingGiven = {}) {
  const { checked = [], listed = (file: SourceFile) => file, asked = 'auto', rule, isRemote = false } = given
  const model = scratch(Object.fromEntries(names.map((name) => [name, `content of ${name}`])))
  const files = new Map<string, SourceFile>()
  for (const name of names) {
    const path = join(model, name)
    fs.chmodSync(path, 0o644)
    files.set(name, listed({ name, path, identity: identityOf(fs.lstatSync(path, { bigint: true })) }))
  }
  const events: { checked: string[][]; copied: string[][] } = { checked: [], copied: [] }
  const placeable: PlaceableFiles = {
    size: (name) => files.get(name)?.identity.size ?? 0,
    copy: async (wanted, directory) => {
      events.copied.push([...wanted])
      await Promise.resolve()
      if (given.copy) {
        given.copy(wanted, directory)
        return
      }
      for (const name of wanted) fs.writeFileSync(join(directory, name), `copy of ${name}`)
    },
    onDisk: isRemote
      ? undefined
      : {
          file: (name) => {
            const file = files.get(name)
            if (!file) throw new ModelSealError('FILE_NOT_SIGNED', 'No.', { file: name })
            return file
          },
          isChecked: (name) => checked.includes(name),
          check: async (placements) => {
            events.checked.push(placements.map(({ file }) => file.name))
            await Promise.resolve()
            given.check?.(placements)
          },
          replace: (file) => void files.set(file.name, file),
        },
  }
  const allowed = new AllowedIsolation(asked, {
    name: 'rule',
    require: rule ? { isolation: rule } : {},
  } as unknown as Rule)
  const placing = new Placing(placeable, allowed)
  onTestFinished(() => placing.dispose())
  return { placing, model, files, events }
}
