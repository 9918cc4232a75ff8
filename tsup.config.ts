import { existsSync } from 'node:fs'
import { defineConfig } from 'tsup'

// One configuration for every package; each builds what it has. A library is built twice, as ESM
// and as CommonJS, with types for both; a program once.
const library = existsSync('src/index.ts')
const entry = Object.fromEntries(
  Object.entries({
    index: 'src/index.ts',
    'hashing-worker': 'src/hashing/worker.ts',
    main: 'src/main.ts',
  }).filter(([, file]) => existsSync(file)),
)

export default defineConfig({
  entry,
  format: library ? ['esm', 'cjs'] : ['esm'],
  dts: library ? { entry: { index: 'src/index.ts' } } : false,
  clean: true,
  shims: library,
  splitting: true,
  sourcemap: true,
  target: 'node22',
  tsconfig: '../../tsconfig.json',
})
