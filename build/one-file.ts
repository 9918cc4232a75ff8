import type { Build } from './plugin.ts'

export async function oneFile({ esbuild }: Build, entryPoint: string): Promise<string> {
  const define = { 'import.meta.url': 'undefined' }
  const { outputFiles } = await esbuild.build({ ...ONE_FILE, entryPoints: [entryPoint], define })
  return outputFiles[0]?.text ?? ''
}

export const ONE_FILE = {
  bundle: true,
  write: false,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'error',
} as const
