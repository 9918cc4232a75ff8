// Two copies of the runtime in one program: copy.cjs DIRECTORY-OF-THE-OTHER MODEL…
const { createRequire } = require('node:module')

const [other, ...models] = process.argv.slice(2)
const copies = [require('onnxruntime-node'), createRequire(`${other}/`)('onnxruntime-node')]

async function main() {
  console.log(copies[0].InferenceSession === copies[1].InferenceSession ? 'one class' : 'two classes')
  for (const { InferenceSession } of copies) {
    for (const model of models) {
      await InferenceSession.create(model).then(
        ({ inputNames }) => console.log(`loaded ${inputNames}`),
        (error) => console.log(error.code ?? error.message),
      )
    }
  }
}

void main()
