// Opens a model and prints the outcome as one line of JSON. It does not choose its own user: the test starts it as
// another user, in a namespace, or has it give up root before it reads anything.
import { openVerifiedModel, watchPolicy } from '@modelseal/core'

const { model, policy, watch, isolation = 'auto', warmUp, user, ...options } = JSON.parse(process.argv[2])

if (user !== undefined) {
  // Everything that is imported is read while this is still root, who can read it.
  await open(warmUp.model, { policy: warmUp.policy })
  process.setgroups([])
  process.setgid(user)
  process.setuid(user)
}
const result = await open(model, { ...options, isolation, policy: watch ? await watched() : policy })
console.log(JSON.stringify(result))

async function watched() {
  return watchPolicy(policy).catch((error) => ({ current: () => Promise.reject(error) }))
}

async function open(path, options) {
  try {
    const gather = (reader) => (options.isolation === 'memory' ? reader.read('a.bin') : reader.place(['a.bin']))
    const opened = await openVerifiedModel(path, options, gather)
    await opened[Symbol.asyncDispose]()
    const { decision, hashed, policy: by } = opened.verdict
    return { decision, isolation: opened.gathered.isolation, hashed, policy: by }
  } catch (error) {
    return { code: error.code, file: error.file, found: error.found, expected: error.expected, message: error.message }
  }
}
