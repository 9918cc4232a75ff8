import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const BUILT_IN =
  /^(\w*Error|DOMException|\w*Array|\w*ArrayBuffer|Buffer|DataView|Map|Set|WeakMap|WeakSet|Promise|Date|RegExp|URL|URLSearchParams|AbortSignal|AbortController|Object|Function|Blob|Headers|Request|Response|\w*Stream)$/
const OF_THIS_REALM = 'Each realm has its own: ask as @modelseal/core/any-realm does.'
const ONE_REALM = [
  {
    selector: `BinaryExpression[operator="instanceof"][right.type="Identifier"][right.name=${String(BUILT_IN)}]:not([right.name=/^(ModelSeal|Commander)Error$/])`,
    message: OF_THIS_REALM,
  },
  {
    selector:
      'BinaryExpression[operator="instanceof"][right.type="MemberExpression"][right.object.name=/^(globalThis|global)$/]',
    message: OF_THIS_REALM,
  },
  { selector: 'MemberExpression[property.name="constructor"]', message: OF_THIS_REALM },
  {
    selector: 'VariableDeclaration[kind=/using$/]',
    message: 'A realm may lack Symbol.asyncDispose: call close() in a finally block.',
  },
  {
    selector: 'MemberExpression[object.name="Symbol"][property.name=/^(asyncDispose|dispose)$/]',
    message: 'A realm may lack it: use ASYNC_DISPOSE of @modelseal/core/any-realm, beside a close().',
  },
]

const OF_TESTS =
  'Tests replace it, and some realms have another or none: use real-time.ts of the core, or take it once from node:timers.'
const REPLACED = [
  'setImmediate',
  'setTimeout',
  'setInterval',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'performance',
]

export default defineConfig([
  globalIgnores(['**/dist', '**/.cache', '**/node_modules']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      // Messages between threads and parsers of foreign data narrow by hand.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // `value instanceof Error` is false for an error of another realm: core/src/any-realm.ts knows how to ask.
      'no-restricted-syntax': ['error', ...ONE_REALM],
      'no-restricted-globals': ['error', ...REPLACED.map((name) => ({ name, message: OF_TESTS }))],
      'no-restricted-properties': ['error', { object: 'AbortSignal', property: 'timeout', message: OF_TESTS }],
      'no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: '^(?!node:)(fs|path|crypto|os|url|util|stream)(/|$)', message: 'Write node:…' }],
          paths: ['vitest', 'node:test'].map((name) => ({ name, importNames: ['it'], message: 'Use test.' })),
        },
      ],
    },
  },
  {
    // More than four belong to an object with a name. Tests have rows of test.each() and stand-ins for functions of Node.js.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: { '@typescript-eslint/max-params': ['error', { max: 4 }] },
  },
  {
    // Makers of random cases are no tests, but do as tests do.
    files: ['**/*.test.ts', 'test/attacks/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      // Tests take parsed JSON apart and change it.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Stand-ins implement asynchronous interfaces without waiting, and are taken apart.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
    },
  },
  {
    // This is only compiled: it states what compiles and what does not.
    files: ['test/public-types.ts'],
    rules: {
      '@typescript-eslint/ban-ts-comment': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unused-vars': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // These run in one realm.
    files: [
      '**/*.test.ts',
      'test/**/*.ts',
      'packages/core/src/testing/**',
      'packages/core/src/{any-realm,real-time}.ts',
    ],
    rules: { 'no-restricted-syntax': 'off', 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
  },
])
