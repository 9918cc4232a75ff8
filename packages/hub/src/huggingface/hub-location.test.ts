import { describe, expect, test } from 'vitest'
import { hubLocation } from './hub-location.ts'

describe('the URL of a model', () => {
  test.each([
    ['hf://org/vad', 'models org/vad main ', 'hf://org/vad'],
    ['HF://Org/VAD-1.0_x', 'models Org/VAD-1.0_x main ', 'hf://Org/VAD-1.0_x'],
    ['hf://gpt2', 'models gpt2 main ', 'hf://gpt2'],
    ['hf://gpt2@v1/onnx', 'models gpt2 v1 onnx', 'hf://gpt2'],
    ['hf://org/vad@v1.0', 'models org/vad v1.0 ', 'hf://org/vad'],
    ['hf://org/vad@feature%2Fx', 'models org/vad feature/x ', 'hf://org/vad'],
    ['hf://org/vad@refs%2Fpr%2F7/onnx', 'models org/vad refs/pr/7 onnx', 'hf://org/vad'],
    ['hf://org/vad@refs/pr/7', 'models org/vad refs/pr/7 ', 'hf://org/vad'],
    ['hf://org/vad@refs/pr/7/onnx/q4', 'models org/vad refs/pr/7 onnx/q4', 'hf://org/vad'],
    ['hf://org/vad@refs/convert/parquet/a', 'models org/vad refs/convert/parquet a', 'hf://org/vad'],
    ['hf://org/vad/onnx/', 'models org/vad main onnx', 'hf://org/vad'],
    ['hf://org/vad/a%20b/c@d', 'models org/vad main a b/c@d', 'hf://org/vad'],
    ['hf://datasets/org/data@main/train', 'datasets org/data main train', 'hf://datasets/org/data'],
    ['hf://datasets/squad', 'datasets squad main ', 'hf://datasets/squad'],
  ])('%s is read', (url, expected, place) => {
    const { kind, repository, revision, folder, url: matched } = hubLocation(url)
    expect(`${kind} ${repository} ${revision} ${folder}`).toBe(expected)
    expect(matched).toBe(place)
  })

  test.each([
    'hf://',
    'hf:///vad',
    'hf://org/',
    'hf://org//vad',
    'hf://.org/vad',
    'hf://org/vad.',
    'hf://-org/vad',
    'hf://org/a--b',
    'hf://org/a..b',
    'hf://org/vad.git',
    'hf://org/v%61d',
    'hf://org/vad name',
    `hf://org/${'a'.repeat(97)}`,
    'hf://spaces/org/app',
    'hf://datasets@main',
    'hf://models/org/vad',
    'hf://datasets/',
    'hf://org/vad@',
    'hf://org/vad@/onnx',
    'hf://org/vad@-x',
    'hf://org/vad@a%2F..%2Fb',
    'hf://org/vad@a%2F',
    'hf://org/vad@a%00',
    'hf://org/vad@a:b',
    'hf://org/vad@x.lock',
    `hf://org/vad@${'a'.repeat(256)}`,
    'hf://org/vad/../other',
    'hf://org/vad/./onnx',
    'hf://org/vad/%2e%2e/other',
    'hf://org/vad/a%2Fb',
    'hf://org/vad/a\\b',
    'hf://org/vad/a//b',
    'hf://org/vad/%ff',
    'hf://org/vad/a%00',
    'hf://org/\ud800',
    'hf://org/vad@\ud800',
    'hf://org/vad/\ud800',
    'hf://org/vad/a\udc00b.onnx',
    'hf://org/vad/%ed%a0%80',
    'hf://org/vad?revision=x',
    'hf://org/vad/a#b',
    'https://huggingface.co/org/vad',
  ])('%s is refused', (url) => {
    expect(() => hubLocation(url)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('hf://ORG/NAME') as string }),
    )
  })

  test('is refused if it is no text', () => {
    expect(() => hubLocation(undefined as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  test('is shown if its revision follows ":"', () => {
    expect(() => hubLocation('hf://org/vad:v1.0')).toThrow('found "hf://org/vad:v1.0".')
  })

  test('is not shown if it contains credentials', () => {
    for (const url of [
      'hf://me:hunter2@hub/model?token=hunter2',
      'hf://org/vad?token=hunter2',
      'hf://me@org:hunter2@x/y',
    ])
      expect(() => hubLocation(url)).not.toThrow('hunter2')
  })
})
