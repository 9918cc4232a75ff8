import type { Options } from 'tsup'

/** A plugin of esbuild. */
export type Plugin = NonNullable<Options['esbuildPlugins']>[number]
export type Build = Parameters<Plugin['setup']>[0]
