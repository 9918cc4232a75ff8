import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { NoteSignature } from '../merkle/signed-note.ts'

/** The key of a witness for tests. */
export class TestWitnessKey {
  readonly name: string
  /** C2SP verifier key. */
  readonly vkey: string
  readonly #key: KeyObject
  readonly #keyHash: Buffer

  constructor(name = 'witness.example/w1') {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const typed = Buffer.concat([Buffer.from([4]), publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)])
    this.name = name
    this.#key = privateKey
    this.#keyHash = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4)
    this.vkey = `${name}+${this.#keyHash.toString('hex')}+${typed.toString('base64')}`
  }

  /** A cosignature, as C2SP tlog-cosignature describes it. @param time in seconds */
  cosign(text: string, time: number | bigint): NoteSignature {
    const stamp = Buffer.alloc(8)
    stamp.writeBigUInt64BE(BigInt(time))
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), this.#key)
    return { name: this.name, keyHash: this.#keyHash, signature: Buffer.concat([stamp, signature]) }
  }

  /** Adds a cosignature to a note. */
  cosigned(note: string, time: number | bigint = 1_795_000_000): string {
    return note + this.line(note, time)
  }

  /** The line of a cosignature of a note. */
  line(note: string, time: number | bigint = 1_795_000_000): string {
    const { name, keyHash, signature } = this.cosign(note.slice(0, note.lastIndexOf('\n\n') + 1), time)
    return `\u2014 ${name} ${Buffer.concat([keyHash, signature]).toString('base64')}\n`
  }
}
