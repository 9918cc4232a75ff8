import { hubLocation, type HubLocation } from '../../../../packages/hub/src/huggingface/hub-location.ts'
import { sourceGlobFault } from '../../../../packages/core/src/policy/matching/source-glob.ts'
import { modelUrl } from '../../../../packages/core/src/policy/matching/model-url.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const target: Target = {
  longest: 200,
  dictionary: [
    'hf://',
    'datasets/',
    '@refs/pr/1',
    '@refs/convert/parquet',
    '%2F',
    '%2e',
    '..',
    '@',
    '--',
    '.git',
    '.lock',
  ],
  seeds: () =>
    texts(
      'hf://org/name',
      'hf://gpt2',
      'hf://org/name@main/onnx/model.onnx',
      'hf://datasets/org/name@refs/pr/1/a',
      'hf://org/name@feature%2Fx/a%20b',
      'hf://org/name/',
      'HF://Org/Na.me_x-y',
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const read = readOrRefused(() => hubLocation(text))
    if (read === REFUSED) return
    mustEqual(hubLocation(written(read)), read, 'The URL, written again')
    const components = [
      ...read.repository.split('/'),
      ...read.revision.split('/'),
      ...(read.folder === '' ? [] : read.folder.split('/')),
    ]
    const odd = components.find((part) => /^\.{0,2}$|[\x00-\x1f\\]/.test(part))
    if (odd !== undefined) throw new Error(`A component is ${JSON.stringify(odd)}.`)
    mustEqual(modelUrl(read.url), read.url, 'The URL that policies match')
    mustEqual(sourceGlobFault(read.url), undefined, 'What is wrong with a rule for the source')
  },
}
export default target

function written({ url, hasRevision, revision, folder }: HubLocation): string {
  const path = folder === '' ? '' : `/${folder.split('/').map(encodeURIComponent).join('/')}`
  return `${url}${hasRevision ? `@${revision.startsWith('refs/') ? revision : encodeURIComponent(revision)}` : ''}${path}`
}
