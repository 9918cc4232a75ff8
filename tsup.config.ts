import { existsSync } from 'node:fs'
import { defineConfig } from 'tsup'

// One configuration for every package; each builds what it has. A library is built twice, as ESM
// and as CommonJS, with types for both; a program once.
const library = existsSync('src/index.ts')
const entry = Object.fromEntries(
  Object.entries({
    index: 'src/index.ts',
    'hashing-worker': 'src/hashing/worker.ts',
    opentelemetry: 'src/telemetry/opentelemetry.ts',
    main: 'src/main.ts',
  }).filter(([, file]) => existsSync(file)),
)
const typed = Object.fromEntries(Object.entries(entry).filter(([name]) => name === 'index' || name === 'opentelemetry'))

export default defineConfig({
  entry,
  format: library ? ['esm', 'cjs'] : ['esm'],
  dts: library ? { entry: typed } : false,
  clean: true,
  shims: library,
  splitting: true,
  sourcemap: true,
  target: 'node22',
  tsconfig: '../../tsconfig.json',
})
