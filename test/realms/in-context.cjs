// Runs a CommonJS program, and everything it requires, in a vm context like Jest: `node in-context.cjs KIND PROGRAM ARGUMENT`.
// A context of the kind "own" has its own built-ins, without `Symbol.asyncDispose` in Node.js 22; one of the kind "shared"
// has the buffers of Node.js, as in Jest; one of the kind "browser" has the timers of a browser. Prints the result of the
// program's function as JSON.
const { existsSync, readFileSync } = require('node:fs')
const { createRequire, isBuiltin } = require('node:module')
const { dirname, join, resolve } = require('node:path')
const vm = require('node:vm')

const [kind, program, argument] = process.argv.slice(2)

const context = vm.createContext()
// Everything that is not part of the language comes from Node.js: process, Buffer, URL, timers, fetch …
for (const name of Object.getOwnPropertyNames(globalThis)) {
  if (name in context || vm.runInContext(`${JSON.stringify(name)} in globalThis`, context)) continue
  Object.defineProperty(context, name, { ...Object.getOwnPropertyDescriptor(globalThis, name), configurable: true })
}
vm.runInContext('globalThis.global = globalThis', context)
if (kind !== 'own') {
  Object.assign(context, { Uint8Array, ArrayBuffer })
  const { dispose, asyncDispose } = Symbol
  Object.assign(context, { symbols: { dispose, asyncDispose } })
  vm.runInContext(
    `for (const [name, value] of Object.entries(symbols)) if (!Symbol[name]) Object.defineProperty(Symbol, name, { value })`,
    context,
  )
}

if (kind === 'browser') {
  for (const name of ['setTimeout', 'setInterval']) context[name] = (...args) => Number(globalThis[name](...args))
  for (const name of ['setImmediate', 'clearImmediate']) delete context[name]
  vm.runInContext('globalThis.performance = { now: () => 0 }', context)
}

const modules = new Map()

function load(file) {
  const known = modules.get(file)
  if (known) return known.exports
  // Addons, and ES modules, which vm.Script cannot run.
  if (file.endsWith('.node') || isEsModule(file)) return require(file)
  const module = { exports: {}, id: file, filename: file, children: [], paths: [] }
  modules.set(file, module)
  const text = readFileSync(file, 'utf8')
  if (file.endsWith('.json')) {
    module.exports = vm.runInContext('JSON.parse', context)(text)
    return module.exports
  }
  const own = createRequire(file)
  const requireThere = Object.assign((name) => (isBuiltin(name) ? require(name) : load(own.resolve(name))), {
    resolve: own.resolve,
    cache: {},
  })
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${text}\n})`
  const script = new vm.Script(wrapped, {
    filename: file,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  script.runInContext(context)(module.exports, requireThere, module, file, dirname(file))
  return module.exports
}

/** According to the nearest package.json. */
function isEsModule(file) {
  for (let directory = dirname(file); directory !== dirname(directory); directory = dirname(directory)) {
    const manifest = join(directory, 'package.json')
    if (existsSync(manifest)) return file.endsWith('.js') && JSON.parse(readFileSync(manifest)).type === 'module'
  }
  return false
}

Promise.resolve(load(resolve(program))(JSON.parse(argument))).then(
  (result) => {
    console.log(JSON.stringify(result))
    process.exit(0)
  },
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
