import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { hubSettings } from './hub-settings.ts'

describe('the environment', () => {
  /** Without the files of whoever runs the tests. */
  const settings = (environment: Record<string, string>, options = {}) =>
    hubSettings(options, { HF_HOME: scratch(), ...environment })

  test('names the hub', async () => {
    const endpointOf = async (environment: Record<string, string>) => (await settings(environment)).endpoint.href
    expect(await endpointOf({})).toBe('https://huggingface.co/')
    expect(await endpointOf({ HF_ENDPOINT: '' })).toBe('https://huggingface.co/')
    expect(await endpointOf({ HF_ENDPOINT: 'https://mirror.example/hf/' })).toBe('https://mirror.example/hf')
    expect((await settings({ HF_ENDPOINT: 'https://a' }, { endpoint: 'https://b' })).endpoint.href).toBe('https://b/')
  })

  test('has the token, or the path of its file', async () => {
    const home = scratch({ token: 'hf_home\n', other: ' hf_other ', empty: '\n' })
    const tokenOf = async (environment: Record<string, string>, options = {}) =>
      (await settings({ HF_HOME: home, ...environment }, options)).token
    expect(await tokenOf({})).toBe('hf_home')
    expect(await tokenOf({ HF_TOKEN: 'hf_a' })).toBe('hf_a')
    expect(await tokenOf({ HUGGING_FACE_HUB_TOKEN: 'hf_b' })).toBe('hf_b')
    expect(await tokenOf({ HF_TOKEN_PATH: join(home, 'other') })).toBe('hf_other')
    expect(await tokenOf({ HF_TOKEN_PATH: join(home, 'empty') })).toBeUndefined()
    expect(await tokenOf({ HF_TOKEN_PATH: join(home, 'none') })).toBeUndefined()
    expect(await tokenOf({ HF_TOKEN: 'hf_a' }, { token: 'hf_c' })).toBe('hf_c')
    expect(await tokenOf({ HF_TOKEN: 'hf_a' }, { token: false })).toBeUndefined()
    expect(await tokenOf({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_TOKEN: 'hf_a' })).toBeUndefined()
  })

  test('is refused with a token that HTTP does not allow, which is not shown', async () => {
    const error: unknown = await settings({ HF_TOKEN: 'hf_secret x' }).catch((reason: unknown) => reason)
    expect(error).toEqual(refusal('INVALID_ARGUMENT'))
    expect(JSON.stringify(error)).not.toContain('secret')
  })

  test('says where the cache is, and whether only that is read', async () => {
    expect(await settings({ HF_HOME: '~/hf', HF_HUB_OFFLINE: 'true' })).toMatchObject({
      cache: join(homedir(), 'hf/hub'),
      offline: true,
    })
    expect(await settings({ HF_HUB_CACHE: '/hub', TRANSFORMERS_OFFLINE: '1' })).toMatchObject({
      cache: '/hub',
      offline: true,
    })
    expect((await settings({ HF_HUB_OFFLINE: '0' })).offline).toBe(false)
    const byDefault = await hubSettings({ token: false }, { XDG_CACHE_HOME: '/cache' })
    expect(byDefault.cache).toBe('/cache/huggingface/hub')
  })
})
