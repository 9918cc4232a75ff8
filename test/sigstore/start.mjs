// npm run sigstore: starts a complete Sigstore instance on this machine, for trying out keyless signing without an account.
import { install } from './install.mjs'

if (!install()) process.exit(1)
const { EMAIL, startStack } = await import('./stack.ts')
const stack = await startStack()
console.log(`
A Sigstore instance runs, until Ctrl-C. In another terminal:

  npx modelseal sign MODEL --signature model.sig --trust-config ${stack.trustConfig} \\
    --identity-token ${stack.provider.token({ email: EMAIL, expiresIn: 3600 })}
  npx modelseal verify MODEL --signature model.sig --trust-config ${stack.trustConfig} \\
    --identity ${EMAIL} --identity-provider ${stack.provider.url}
  npx modelseal monitor --from-start --identity ${EMAIL} --trust-config ${stack.trustConfig}

Without --identity-token, you log in with a browser. Instead of --trust-config, by TUF:

  npx modelseal trust-root update --tuf-url ${stack.tufUrl} --tuf-root ${stack.tufRoot}`)
process.once('SIGINT', () => void stack.stop())
