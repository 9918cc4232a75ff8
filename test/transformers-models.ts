import { FLOAT, entry, floats, graph, message, model, node } from './onnx-models.ts'

/** The embeddings of a tiny model: this number, then the token number in all other positions. */
const WIDTH = 4
const WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'hello', 'world', 'good', 'bye']
const INT64 = 7

export interface TinyOptions {
  /** The number with which its embeddings begin, to distinguish two models. */
  mark?: number
  /** The location of the weights in the ONNX file. */
  location?: string
  /** The path of the weights file; the ONNX file is in the folder "onnx". */
  weightsAt?: string
  config?: object
  tokenizerConfig?: object
}

/**
 * The files of a model for Transformers.js with eight words, whose output is the embedding of each
 * token; the embeddings are external data.
 */
export function tinyModel({
  mark = 1,
  location = 'model.onnx_data',
  weightsAt = `onnx/${location}`,
  config = { 'transformers.js_config': { use_external_data_format: true } },
  tokenizerConfig = {},
}: TinyOptions = {}): Record<string, string | Uint8Array> {
  return {
    'config.json': JSON.stringify({ model_type: 'bert', hidden_size: WIDTH, ...config }),
    'tokenizer.json': JSON.stringify(tokenizer()),
    'tokenizer_config.json': JSON.stringify({ tokenizer_class: 'BertTokenizer', ...tokenizerConfig }),
    'onnx/model.onnx': embeddingModel(location),
    [weightsAt]: weights(mark),
  }
}

/** The output for `[CLS] hello [SEP]` of the model with this mark. */
export function embeddingOfHello(mark: number): number[][] {
  return [2, 4, 3].map((token) => [mark, token, token, token])
}

/** The same with its weights in two chunks, both of which affect its output. */
export function chunkedModel(mark: number, chunks: number | true): Record<string, string | Uint8Array> {
  const nodes = [node('Gather', ['w', 'input_ids'], ['token']), node('Add', ['token', 'bias'], ['last_hidden_state'])]
  const config = { 'transformers.js_config': { use_external_data_format: chunks } }
  return {
    ...tinyModel({ mark: 0, config }),
    'onnx/model.onnx': embedding(nodes, [
      external('w', [WORDS.length, WIDTH], 'model.onnx_data'),
      external('bias', [WIDTH], 'model.onnx_data_1'),
    ]),
    'onnx/model.onnx_data_1': floats(mark, 0, 0, 0),
  }
}

/** last_hidden_state = w[input_ids], with w in another file. */
export function embeddingModel(location: string): Uint8Array {
  const nodes = [node('Gather', ['w', 'input_ids'], ['last_hidden_state'])]
  return embedding(nodes, [external('w', [WORDS.length, WIDTH], location)])
}

function external(name: string, shape: number[], location: string): Uint8Array {
  const dimensions = shape.map((size) => [1, size] as [number, number])
  return message(...dimensions, [2, FLOAT], [8, name], [13, entry('location', location)], [14, 1])
}

function embedding(nodes: Uint8Array[], initializers: Uint8Array[]): Uint8Array {
  return model(
    graph({
      nodes,
      initializers,
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => shaped(name, INT64, ['n', 'length'])),
      outputs: [shaped('last_hidden_state', FLOAT, ['n', 'length', 'width'])],
    }),
  )
}

function weights(mark: number): Uint8Array {
  return new Uint8Array(new Float32Array(WORDS.flatMap((_, token) => [mark, token, token, token])).buffer)
}

function shaped(name: string, type: number, dimensions: string[]): Uint8Array {
  const shape = message(...dimensions.map((dimension) => [1, message([2, dimension])] as [number, Uint8Array]))
  return message([1, name], [2, message([1, message([1, type], [2, shape])])])
}

function tokenizer(): object {
  const special = WORDS.slice(0, 4).map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  }
}
