import type { Registry } from './registry.mjs'

export interface Release {
  version: string
  /** Versions by name. */
  packages: Record<string, string>
  artefacts: string
  policy: string
  copy: string
}
export function makeRelease(root: string, directory: string): Promise<Release>
export function publishRelease(release: Release, registry: Registry): Promise<void>
