import type { Build, Plugin } from './plugin.ts'

/**
 * An ES module that imports one name from a module of Node.js makes it create all exports of that module, which loads internal
 * modules that few programs need. The ES modules of the libraries therefore ask the process for what they use, which takes 10 ms less.
 */
export const namesFromProcess: Plugin = {
  name: 'names from the process',
  setup(build) {
    const isCommonJs = build.initialOptions.define?.['TSUP_FORMAT'] === '"cjs"'
    build.onResolve({ filter: /^node:/ }, ({ path }) =>
      isCommonJs
        ? { path: path.replace('node:', ''), external: true }
        : { path, namespace: 'names', sideEffects: false },
    )
    build.onLoad({ filter: /.*/, namespace: 'names' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter(
        (name) => /^\w+$/.test(name) && name !== 'default',
      )
      // What nothing imports is removed, because the calls are marked as pure.
      const exports = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => all.${name})()`)
      return {
        contents: [
          `const all = /* @__PURE__ */ process.getBuiltinModule('${path}')`,
          ...exports,
          'export default all',
        ].join('\n'),
      }
    })
  },
}

/**
 * An `import` of `node:fs` or `node:util` makes Node.js load all their parts, 30 internal modules that few programs need.
 * `process.getBuiltinModule()` loads only the parts that are used.
 */
export const lazyNodeModules: Plugin = {
  name: 'lazy node:fs and node:util',
  setup: (build) => takeFromProcess(build, /^(node:)?(fs|util)$/),
}

type Resolve = Parameters<Build['onResolve']>[1]

export function takeFromProcess(
  build: Build,
  filter: RegExp,
  concerns: (args: Parameters<Resolve>[0]) => boolean = () => true,
): void {
  build.onResolve({ filter }, (args) =>
    concerns(args) ? { path: args.path.replace('node:', ''), namespace: 'process' } : undefined,
  )
  build.onLoad({ filter: /.*/, namespace: 'process' }, ({ path }) => ({
    contents: `module.exports = process.getBuiltinModule('node:${path}')`,
  }))
}

/** Commander imports `node:child_process` for commands that are separate programs. There are none here, so it is not loaded at startup. */
export const childProcessWhenUsed: Plugin = {
  name: 'child_process when it is used',
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path, namespace: 'when used' } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: 'when used' }, ({ path }) => ({
      contents: `export default { get spawn() { return process.getBuiltinModule('${path}').spawn } }`,
    }))
  },
}
